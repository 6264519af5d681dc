package door

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestShutdown: after http.Server.Shutdown has begun, http.Server has the connections that have sent
// nothing, and does with them what it does without a door. Shutdown waits for them.
func TestShutdown(t *testing.T) {
	without, behind := both(t)
	var got []string
	for _, s := range []*site{without, behind} {
		silent := s.dial()
		s.await(func() bool { return s.open.Load() == 1 })
		ended := make(chan error, 1)
		go func() { ended <- s.http.Shutdown(context.Background()) }()
		err := <-s.served // Serve has returned
		s.served <- err
		select {
		case <-ended:
			t.Error("Shutdown has not waited")
		default:
		}
		io.WriteString(silent, plain)
		got = append(got, s.rest(silent))
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("the answer (-net/http +door):\n%s", diff)
	}
}

// TestSlowChecks: a slow check occupies no worker, and does not delay the end of Serve. If the
// request is refused after that, its connection is closed.
func TestSlowChecks(t *testing.T) {
	behind := newSite(t, true)
	var slow []net.Conn
	for range 8 * runtime.GOMAXPROCS(0) { // more than workers
		c := behind.dial()
		io.WriteString(c, with("X-Slow: refuse"))
		slow = append(slow, c)
		<-behind.slow
		if n := behind.active.Load(); n != int64(len(slow)) {
			t.Fatalf("%d connections are active during %d checks: the others might be closed to make room", n, len(slow))
		}
	}
	if got, want := behind.exchange(plain), newSite(t, false).exchange(plain); got != want {
		t.Errorf("meanwhile the answer is %q, want %q", got, want)
	}
	behind.release <- struct{}{} // one check ends while Serve still runs
	want := newSite(t, false).exchange(with("X-Slow: refuse"))
	answered := make(chan string, len(slow))
	for _, c := range slow {
		go func() { answered <- behind.rest(c) }()
	}
	if got := <-answered; got != want {
		t.Errorf("the answer is %q, want %q", got, want)
	}
	behind.http.Close()
	err := <-behind.served
	behind.served <- err
	for range slow[1:] {
		behind.release <- struct{}{}
		if got := <-answered; got != "" {
			t.Errorf("after the end of Serve, the answer is %q", got)
		}
	}
}

// TestAcceptErrors: a temporary error is returned, and a permanent one ends the listener.
func TestAcceptErrors(t *testing.T) {
	inner := &failing{errs: []error{temporary{}, io.ErrUnexpectedEOF}}
	l := Listen(inner, Options{})
	var got []error
	for range 3 {
		c, err := l.Accept()
		if c != nil {
			t.Error("Accept has returned a connection")
		}
		got = append(got, err)
	}
	if want := []error{temporary{}, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, want %v", got, want)
	}
}

type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

type temporary struct{}

func (temporary) Error() string   { return "temporary" }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

// TestHeaderTimeout: the first deadline of http.Server cannot be later than that of the door, and
// later ones can.
func TestHeaderTimeout(t *testing.T) {
	begin := time.Now()
	inner := new(deadlines)
	c := &Conn{Conn: inner, deadline: begin.Add(time.Second), clock: true}
	for _, after := range []time.Duration{5 * time.Second, 6 * time.Second} {
		c.SetReadDeadline(begin.Add(after))
	}
	c = &Conn{Conn: inner, deadline: begin.Add(time.Second), clock: true}
	c.SetReadDeadline(begin.Add(time.Millisecond))
	c = &Conn{Conn: inner, clock: true} // without a limit
	c.SetReadDeadline(begin.Add(time.Hour))
	want := []time.Duration{time.Second, 6 * time.Second, time.Millisecond, time.Hour}
	var got []time.Duration
	for _, at := range inner.all {
		got = append(got, at.Sub(begin))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the deadlines (-want +got):\n%s", diff)
	}
}

type deadlines struct {
	net.Conn
	all []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.all = append(d.all, at)
	return nil
}

// TestReplayOnce: only the first request of a connection gets the response that the door has kept.
func TestReplayOnce(t *testing.T) {
	h := Replay(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "next") }))
	ctx := Context(t.Context(), &Conn{refused: &kept{status: 403, body: []byte("kept")}})
	var got []string
	for range 2 {
		w := &response{}
		r, _ := http.NewRequestWithContext(ctx, "GET", "/", nil)
		h.ServeHTTP(w, r)
		got = append(got, http.StatusText(w.kept.status)+" "+string(w.kept.body))
	}
	if diff := cmp.Diff([]string{"Forbidden kept", "OK next"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
