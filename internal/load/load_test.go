package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a classic server whose deliveries the test controls.
type fake struct {
	t       *testing.T
	api, ws *httptest.Server
	// deliver returns the frames to send to a peer for a message; nil sends the message once.
	deliver func(p *peer, frame string) []string
	status  func(n int) int // the status of the n-th broadcast, from 1; nil means 200

	mu         sync.Mutex // guards the following fields, and writes to peers
	peers      map[*peer]bool
	broadcasts int
	tokens     []string // created and not deleted
}

type peer struct {
	conn   *websocket.Conn
	number int
	joined map[string]bool
	got    int
	held   string
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, peers: map[*peer]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token/", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.tokens = append(f.tokens, "T-1")
		fmt.Fprint(w, `{"token": "T-1"}`)
	})
	mux.HandleFunc("DELETE /token/{token}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.tokens = slices.DeleteFunc(f.tokens, func(s string) bool { return s == r.PathValue("token") })
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /broadcast/{channel}/{$}", f.broadcast)
	f.api = httptest.NewServer(mux)
	f.ws = httptest.NewServer(http.HandlerFunc(f.subscribe))
	t.Cleanup(func() {
		f.api.Close()
		f.ws.Close()
		if len(f.tokens) > 0 {
			t.Errorf("tokens left behind: %q", f.tokens)
		}
	})
	return f
}

func (f *fake) broadcast(w http.ResponseWriter, r *http.Request) {
	var body struct{ Payload json.RawMessage }
	text, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(text, &body) != nil {
		f.t.Errorf("broadcast of %q: %v", text, err)
	}
	channel := r.PathValue("channel")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broadcasts++
	if f.status != nil {
		if status := f.status(f.broadcasts); status != 200 {
			w.WriteHeader(status)
			return
		}
	}
	frame := fmt.Sprintf(`{"message": %s, "channel": %q}`, body.Payload, channel)
	for p := range f.peers {
		if p.joined[channel] {
			f.send(p, frame)
		}
	}
}

// send delivers a message to a peer. The caller holds mu.
func (f *fake) send(p *peer, frame string) {
	p.got++
	frames := []string{frame}
	if f.deliver != nil {
		frames = f.deliver(p, frame)
	}
	for _, text := range frames {
		// An error means that the peer is gone. The peer's reader notices that.
		if text == "close" {
			_ = p.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1008, "too slow"))
		} else {
			_ = p.conn.WriteMessage(websocket.TextMessage, []byte(text))
		}
	}
}

func (f *fake) subscribe(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer conn.Close()
	f.mu.Lock()
	p := &peer{conn: conn, joined: map[string]bool{}, number: len(f.peers)}
	f.peers[p] = true
	f.mu.Unlock()
	for authenticated := false; ; {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var m struct {
			Token    string `json:"access_token"`
			Channels struct{ Join []string }
		}
		if err := json.Unmarshal(text, &m); err != nil {
			f.t.Errorf("a client sent %q: %v", text, err)
		}
		if m.Token != "" {
			authenticated = m.Token == "T-1"
			continue
		}
		f.mu.Lock()
		for _, c := range m.Channels.Join {
			p.joined[c] = authenticated
		}
		f.mu.Unlock()
	}
}

// run puts a load on the fake, and stops it after the given number of broadcasts.
func (f *fake) run(o Options, broadcasts int) *Report {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	status := f.status
	f.status = func(n int) int {
		if n == broadcasts {
			cancel()
		}
		if status != nil {
			return status(n)
		}
		return 200
	}
	o.API, o.WS = f.api.URL, strings.Replace(f.ws.URL, "http", "ws", 1)
	o.Duration = time.Minute
	report, err := Run(ctx, o)
	if err != nil {
		f.t.Fatal(err)
	}
	return report
}

// counts ignores the figures that depend on the machine.
var counts = cmpopts.IgnoreFields(Report{}, "Seconds", "PublishRate", "DeliveryRate", "Latency", "Answers", "Connects",
	"ConnectSeconds", "Cores", "Processors", "Warnings")

func TestRunCountsWhatIsDelivered(t *testing.T) {
	f := newFake(t)
	got := f.run(Options{Subscribers: 6, Channels: 3, Joins: 2, Publishers: 1, Size: 70, Slow: 1}, 30)
	// Each of the three channels has ten messages. Each subscriber has two of the channels.
	want := &Report{
		Interrupted: true, Subscribers: 6, Slow: 1, Channels: 3, Joins: 2, Publishers: 1, Size: 70,
		Published: 30, Deliveries: 6 * 2 * 10, Reasons: map[string]int{},
	}
	if diff := cmp.Diff(want, got, counts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, p := range map[string]Percentiles{"latency": got.Latency, "answers": got.Answers, "connects": got.Connects} {
		if p.P50 <= 0 || p.P50 > p.P90 || p.P90 > p.P99 || p.P99 > p.P999 || p.P999 > p.Max {
			t.Errorf("%s: the times %+v do not increase", name, p)
		}
	}
	joins := map[int]int{}
	for p := range f.peers {
		joins[len(p.joined)]++
	}
	if diff := cmp.Diff(map[int]int{2: 7}, joins); diff != "" {
		t.Errorf("peers by how many channels they joined (-want +got):\n%s", diff)
	}
}

// TestRunOverTLS: on this machine any certificate is accepted.
func TestRunOverTLS(t *testing.T) {
	f := newFake(t)
	f.ws.Close()
	f.ws = httptest.NewTLSServer(http.HandlerFunc(f.subscribe))
	got := f.run(Options{Subscribers: 2, Publishers: 1, Size: 70, Slow: 1}, 10)
	want := &Report{
		Interrupted: true, Subscribers: 2, Slow: 1, Channels: 1, Joins: 1, Publishers: 1, Size: 70,
		Published: 10, Deliveries: 2 * 10, Reasons: map[string]int{},
	}
	if diff := cmp.Diff(want, got, counts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOnlyThisMachineIsTrustedBlindly: for other machines the certificate must be trusted.
func TestOnlyThisMachineIsTrustedBlindly(t *testing.T) {
	if c := trust(t.Context(), "wss://127.0.0.1:1/"); c == nil || !c.InsecureSkipVerify {
		t.Error("this machine is not trusted")
	}
	if c := trust(t.Context(), "wss://192.0.2.1:1/"); c != nil {
		t.Error("another machine is trusted with any certificate")
	}
}

func TestRunFindsFaultsOfServer(t *testing.T) {
	third := func(p *peer) bool { return p.got == 3 }
	for name, c := range map[string]struct {
		deliver func(p *peer, frame string) []string
		status  func(n int) int
		want    Report
	}{
		"loses": {
			deliver: func(p *peer, frame string) []string {
				if third(p) {
					return nil
				}
				return []string{frame}
			},
			want: Report{Published: 10, Deliveries: 18, Lost: 2},
		},
		"repeats": {
			deliver: func(p *peer, frame string) []string {
				if third(p) {
					return []string{frame, frame}
				}
				return []string{frame}
			},
			want: Report{Published: 10, Deliveries: 22, Repeated: 2},
		},
		"swaps": {
			deliver: func(p *peer, frame string) []string {
				if third(p) {
					p.held = frame
					return nil
				}
				held := p.held
				p.held = ""
				return slices.DeleteFunc([]string{frame, held}, func(s string) bool { return s == "" })
			},
			want: Report{Published: 10, Deliveries: 20, OutOfOrder: 2},
		},
		"sends from another channel": {
			deliver: func(p *peer, frame string) []string {
				if third(p) {
					frame = strings.Replace(frame, ".0000.0000.", ".0000.0007.", 1)
				}
				return []string{frame}
			},
			want: Report{Published: 10, Deliveries: 18, Stray: 2, Lost: 2},
		},
		"sends another message as well": {
			deliver: func(p *peer, frame string) []string {
				if third(p) {
					return []string{`{"message": 1, "channel": "x"}`, frame}
				}
				return []string{frame}
			},
			want: Report{Published: 10, Deliveries: 20, Unreadable: 2},
		},
		"disconnects one": {
			deliver: func(p *peer, frame string) []string {
				if third(p) && p.number == 1 {
					return []string{"close"}
				}
				return []string{frame}
			},
			want: Report{
				Published: 10, Deliveries: 12, Missed: 8, Disconnected: 1,
				Reasons: map[string]int{"closed by the server with 1008 too slow": 1},
			},
		},
		"refuses some": {
			status: func(n int) int {
				if n%2 == 1 {
					return 503
				}
				return 200
			},
			want: Report{Published: 5, Deliveries: 10, PublishFailed: 5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // tests with lost messages wait for them
			f := newFake(t)
			f.deliver, f.status = c.deliver, c.status
			got := f.run(Options{Subscribers: 2, Publishers: 1}, 10)
			c.want.Interrupted, c.want.Subscribers, c.want.Channels, c.want.Joins, c.want.Publishers, c.want.Size = true, 2, 1, 1, 1, 100
			if c.want.Reasons == nil {
				c.want.Reasons = map[string]int{}
			}
			if diff := cmp.Diff(&c.want, got, counts); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunPublishesAtARate(t *testing.T) {
	f := newFake(t)
	o := Options{Subscribers: 1, Publishers: 4, Rate: 1000, Duration: 50 * time.Millisecond}
	o.API, o.WS = f.api.URL, strings.Replace(f.ws.URL, "http", "ws", 1)
	got, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// Messages are due at 0, 1, 2 ... 49 ms, regardless of how long each publish takes.
	if got.Published != 50 || got.Deliveries != 50 {
		t.Errorf("%d published and %d delivered, want 50 of each", got.Published, got.Deliveries)
	}
}

func TestRunErrors(t *testing.T) {
	f := newFake(t)
	ws := strings.Replace(f.ws.URL, "http", "ws", 1)
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"options":       {Options{Joins: 2}, "joins: 2 is not between 1 and 1"},
		"too many":      {Options{Subscribers: 200_001, Size: 60}, "subscribers: 200001 is not between 1 and 200000\nsize: 60 is not between 61 and 1048576"},
		"no API":        {Options{API: f.api.URL + "/elsewhere", WS: ws}, "make a token: the server answered 404 Not Found"},
		"no WebSockets": {Options{Subscribers: 1, API: f.api.URL, WS: strings.Replace(f.api.URL, "http", "ws", 1)}, "subscriber 1 of 1: connect to "},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Run(t.Context(), c.o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	r := Report{Cores: 1.8, Processors: 2, Seconds: 10, Published: 900, PublishRate: 90, PublishFailed: 3, Unreadable: 4}
	r.warn(Options{Rate: 100}, errors.New("broken pipe"))
	want := []string{
		"3 publishes failed, the first with: broken pipe; the server may or may not have delivered them, so losses may be higher than reported",
		"4 frames had no message of this run: is there another publisher, or a proxy that changes messages?",
		"nothing was delivered at all: do both URLs lead to the same server?",
		"only 90 messages per second were published instead of 100; more publishers may help",
		"this tool used 1.80 of 2 processors: the tool was the limit, or competed with the server for them; the server may be faster",
	}
	if diff := cmp.Diff(want, r.Warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fine := Report{Cores: 1, Processors: 2, Seconds: 10, Published: 1000, Deliveries: 1}
	if fine.warn(Options{Rate: 100}, nil); fine.Warnings != nil {
		t.Errorf("warnings without a reason: %q", fine.Warnings)
	}
}

func TestOnLoopback(t *testing.T) {
	got := map[string]bool{}
	for _, url := range []string{"http://127.0.0.1:1", "ws://[::1]:1/", "http://127.5.6.7", "http://192.0.2.1:80", "wss://[2001:db8::1]/"} {
		local, err := OnLoopback(t.Context(), url)
		if err != nil {
			t.Error(err)
		}
		got[url] = local
	}
	want := map[string]bool{"http://127.0.0.1:1": true, "ws://[::1]:1/": true, "http://127.5.6.7": true, "http://192.0.2.1:80": false, "wss://[2001:db8::1]/": false}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
