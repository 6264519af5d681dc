package attack

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

const (
	// beat is the pause between two messages to the bystanders, similar to a real publisher. No
	// outcome depends on it.
	beat = 5 * time.Millisecond

	bystanderChannel = "news"
)

// bystanders are a subscriber on each transport and a publisher over HTTP, each with its own
// address. The publisher publishes the next number once all subscribers have received the last one.
// Each round thus proves that the attacks do not affect them.
type bystanders struct {
	s       *site
	readers []*reader
	stop    context.CancelFunc
	ended   chan struct{}

	mu     sync.Mutex
	cond   *sync.Cond
	rounds int             // guarded by mu: number of rounds
	took   []time.Duration // guarded by mu: duration of each round
	fault  string          // guarded by mu: the first fault; the rounds then stop
}

// A reader is one of the subscribers. It sends each received message to comes.
type reader struct {
	name  string
	comes chan string // closed when the subscription ends
	why   error       // why the subscription ended, once comes is closed
}

func newBystanders(s *site) *bystanders {
	ctx, cancel := context.WithCancel(s.Ctx)
	b := &bystanders{s: s, stop: cancel, ended: make(chan struct{})}
	b.cond = sync.NewCond(&b.mu)
	token := s.tokenOf("bystander")
	key := ""
	if s.Admin != "" {
		key = s.NewKey(object{"name": "bystander", "verbs": []string{"publish"}}).Key
	}
	var reading sync.WaitGroup
	b.readers = []*reader{
		b.overSocket(ctx, &reading, "127.2.0.1", "/", object{"access_token": token}, object{"channels": object{"join": []string{bystanderChannel}, "leave": []string{}}}),
		b.overSocket(ctx, &reading, "127.2.0.2", "/v2", object{"auth": object{"token": token}}, object{"join": object{"channels": []object{{"channel": bystanderChannel}}}}),
		b.overEvents(ctx, &reading, "127.2.0.3", token),
	}
	for s.Server.Hub().Subscribers(bystanderChannel) < len(b.readers) { // the classic wire has no reply to a join
		runtime.Gosched()
	}
	go func() {
		defer close(b.ended)
		defer reading.Wait()
		defer cancel()
		b.publish(ctx, key)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.fault = cmp.Or(b.fault, "the rounds have ended")
		b.cond.Broadcast()
	}()
	return b
}

// overSocket subscribes over a WebSocket.
func (b *bystanders) overSocket(ctx context.Context, reading *sync.WaitGroup, address, path string, requests ...object) *reader {
	c, err := wstest.Connect("ws://"+b.s.WS+path, wstest.Options{Context: ctx, Dial: whole.DialerFrom(address).DialContext})
	if err != nil {
		b.s.Fatal(err)
	}
	for _, r := range requests {
		c.Send(r)
	}
	r := &reader{name: "the bystander on " + path, comes: make(chan string, 64)}
	reading.Go(func() {
		defer c.Close()
		defer close(r.comes)
		for {
			text, err := c.Next()
			if err != nil {
				r.why = err
				return
			}
			r.see([]byte(text))
		}
	})
	return r
}

// overEvents subscribes to a stream of events.
func (b *bystanders) overEvents(ctx context.Context, reading *sync.WaitGroup, address, token string) *reader {
	client := whole.ClientFrom(address)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.s.WS+"/v2/events?channel="+bystanderChannel, nil)
	if err != nil {
		b.s.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		b.s.Fatal(err)
	}
	r := &reader{name: "the bystander on /v2/events", comes: make(chan string, 64)}
	reading.Go(func() {
		defer client.CloseIdleConnections()
		defer response.Body.Close()
		defer close(r.comes)
		for events := ssetest.New(response.Body); ; {
			e, err := events.Next()
			if err != nil {
				r.why = err
				return
			}
			r.see([]byte(e.Data))
		}
	})
	return r
}

// see passes messages on and ignores the protocol's other frames and events.
func (r *reader) see(text []byte) {
	var m struct{ Message json.RawMessage }
	if err := json.Unmarshal(text, &m); err != nil {
		r.comes <- err.Error()
	} else if m.Message != nil {
		r.comes <- string(m.Message)
	}
}

// publish runs rounds until one has a fault, or the context ends.
func (b *bystanders) publish(ctx context.Context, key string) {
	client := whole.ClientFrom("127.2.0.4")
	defer client.CloseIdleConnections()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		start := time.Now()
		b.s.Progress(start)
		fault := b.round(ctx, client, key, n)
		if ctx.Err() != nil {
			return
		}
		b.mu.Lock()
		b.rounds, b.fault = n, fault
		b.took = append(b.took, time.Since(start))
		b.cond.Broadcast()
		b.mu.Unlock()
		if fault != "" {
			return
		}
	}
}

// round publishes a number and waits until all subscribers have it. It returns the fault, or "".
func (b *bystanders) round(ctx context.Context, client *http.Client, key string, n int) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.s.API+"/v2/channels/"+bystanderChannel+"/messages", strings.NewReader(fmt.Sprint(n)))
	if err != nil {
		return err.Error()
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := client.Do(r)
	if err != nil {
		return fmt.Sprintf("publishing number %d: %v", n, err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusCreated {
		return fmt.Sprintf("publishing number %d: %d %s %v", n, response.StatusCode, text, err)
	}
	for _, r := range b.readers {
		select {
		case got, ok := <-r.comes:
			switch {
			case !ok:
				return fmt.Sprintf("%s lost its connection before number %d: %v", r.name, n, r.why)
			case got != fmt.Sprint(n):
				return fmt.Sprintf("%s received %s instead of number %d", r.name, got, n)
			}
		case <-ctx.Done():
			return fmt.Sprintf("%s did not receive number %d in time", r.name, n)
		}
	}
	return ""
}

// await waits for this many more rounds, and returns the number of rounds so far. The rounds serve
// as this package's clock.
func (b *bystanders) await(more int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for want := b.rounds + more; b.rounds < want && b.fault == ""; {
		b.cond.Wait()
	}
	return b.rounds
}

// noticed returns the fault that a bystander noticed, or "".
func (b *bystanders) noticed() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fault
}

// median returns the median duration of the rounds in that range.
func (b *bystanders) median(from, to int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	took := slices.Sorted(slices.Values(b.took[from:to]))
	return took[len(took)/2]
}

// end ends the rounds, and checks that no subscriber received a message beyond them.
func (b *bystanders) end() {
	b.stop()
	<-b.ended
	for _, r := range b.readers {
		for range r.comes {
			// The interrupted round may have reached some subscribers: at most one number each.
			if _, more := <-r.comes; more {
				b.s.Errorf("%s received messages that were not published", r.name)
				return
			}
		}
	}
}
