package faultproxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/faultproxy"
)

// echo starts a server that answers each line with its name and the line, until a line is "end".
func echo(t *testing.T, name string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				lines := bufio.NewScanner(c)
				for lines.Scan() && lines.Text() != "end" {
					fmt.Fprintf(c, "%s %s\n", name, lines.Text())
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

func newProxy(t *testing.T, backend string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.New(backend)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// caller is a client of an echo server behind a proxy.
type caller struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	link *faultproxy.Link
}

func dial(t *testing.T, p *faultproxy.Proxy) *caller {
	t.Helper()
	before := p.Links()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	isNew := func(l *faultproxy.Link) bool { return !slices.Contains(before, l) }
	up, err := p.Await(t.Context(), func(up []*faultproxy.Link) bool { return slices.ContainsFunc(up, isNew) })
	if err != nil {
		t.Fatal(err)
	}
	return &caller{t, conn, bufio.NewReader(conn), up[slices.IndexFunc(up, isNew)]}
}

func (c *caller) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) hears(want string) {
	c.t.Helper()
	got, err := c.r.ReadString('\n')
	if err != nil || got != want+"\n" {
		c.t.Errorf("heard %q, %v; want %q", got, err, want)
	}
}

// hearsNothing waits a moment. A wrong proxy that is slow may pass, but a correct proxy never
// fails.
func (c *caller) hearsNothing() {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.conn.SetReadDeadline(time.Time{})
	if b, err := c.r.ReadByte(); err == nil {
		c.t.Errorf("heard %q, want nothing", b)
	}
}

func (c *caller) ends(want error) {
	c.t.Helper()
	if _, err := c.r.ReadByte(); !errors.Is(err, want) {
		c.t.Errorf("the connection ended with %v, want %v", err, want)
	}
	<-c.link.Done()
}

func TestProxyForwards(t *testing.T) {
	p := newProxy(t, echo(t, "a"))
	c := dial(t, p)
	c.say("1")
	c.hears("a 1")
	c.conn.(*net.TCPConn).CloseWrite()
	c.ends(io.EOF)
	if _, err := p.Await(t.Context(), func(up []*faultproxy.Link) bool { return len(up) == 0 }); err != nil {
		t.Error(err)
	}
	if got := p.Accepted(); got != 1 {
		t.Errorf("accepted %d, want 1", got)
	}
}

func TestProxyCutsAndResetsOneOrAll(t *testing.T) {
	p := newProxy(t, echo(t, "a"))
	one, two, three := dial(t, p), dial(t, p), dial(t, p)
	if !one.link.Do(faultproxy.Failure{Kind: faultproxy.Cut}) {
		t.Error("the link had ended before")
	}
	one.ends(io.EOF)
	if one.link.Do(faultproxy.Failure{Kind: faultproxy.Cut}) {
		t.Error("Do returned true for a link that has ended")
	}
	two.say("1")
	two.hears("a 1")
	if _, err := p.Await(t.Context(), func(up []*faultproxy.Link) bool { return len(up) == 2 }); err != nil {
		t.Error(err)
	}
	if got := p.Do(faultproxy.Failure{Kind: faultproxy.Reset}); got != 2 {
		t.Errorf("%d connections were reset, want 2", got)
	}
	two.ends(syscall.ECONNRESET)
	three.ends(syscall.ECONNRESET)
}

func TestProxyStallsUntilHealed(t *testing.T) {
	for _, d := range []faultproxy.Direction{faultproxy.BothWays, faultproxy.ToServer, faultproxy.ToClient} {
		p := newProxy(t, echo(t, "a"))
		c := dial(t, p)
		c.link.Do(faultproxy.Failure{Kind: faultproxy.Stall, Direction: d})
		c.say("1")
		c.hearsNothing()
		c.link.Heal()
		c.hears("a 1")
	}
}

func TestProxyStallEndsByItself(t *testing.T) {
	c := dial(t, newProxy(t, echo(t, "a")))
	began := time.Now()
	c.link.Do(faultproxy.Failure{Kind: faultproxy.Stall, For: 30 * time.Millisecond})
	c.say("1")
	c.hears("a 1")
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("heard it after %v, and the stall lasts 30ms", took)
	}
}

// A stalled sender must block in the end: otherwise the stall has no effect on it.
func TestProxyStallIsFeltBySender(t *testing.T) {
	c := dial(t, newProxy(t, echo(t, "a")))
	c.link.Do(faultproxy.Failure{Kind: faultproxy.Stall, Direction: faultproxy.ToServer})
	c.conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := c.conn.Write(make([]byte, 64<<20))
	if err == nil {
		t.Errorf("a stalled connection took all %d bytes", n)
	}
}

func TestProxySlowsAndDelays(t *testing.T) {
	for _, test := range []struct {
		failure faultproxy.Failure
		least   time.Duration
	}{
		// 100 bytes to the server, and the answer's 102 back.
		{faultproxy.Failure{Kind: faultproxy.Slow, Rate: 2000}, 90 * time.Millisecond},
		{faultproxy.Failure{Kind: faultproxy.Slow, Rate: 2000, Direction: faultproxy.ToServer}, 40 * time.Millisecond},
		{faultproxy.Failure{Kind: faultproxy.Delay, Wait: 30 * time.Millisecond}, 60 * time.Millisecond},
		{faultproxy.Failure{Kind: faultproxy.Delay, Wait: 30 * time.Millisecond, Direction: faultproxy.ToClient}, 30 * time.Millisecond},
	} {
		c := dial(t, newProxy(t, echo(t, "a")))
		c.link.Do(test.failure)
		began := time.Now()
		line := fmt.Sprintf("%099d", 7)
		c.say(line)
		c.hears("a " + line)
		if took := time.Since(began); took < test.least {
			t.Errorf("%v: took %v, want at least %v", test.failure, took, test.least)
		}
	}
}

func TestProxyHalfOpenLosesOneDirectionAndItsEnd(t *testing.T) {
	c := dial(t, newProxy(t, echo(t, "a")))
	c.link.Do(faultproxy.Failure{Kind: faultproxy.HalfOpen, Direction: faultproxy.ToClient, For: 1})
	c.say("1")
	c.hearsNothing()
	c.link.Heal() // has no effect
	c.say("end")
	c.hearsNothing()
	select {
	case <-c.link.Done():
		t.Error("the client's connection has ended with the server's")
	default:
	}
	c.conn.Close()
	<-c.link.Done()
}

func TestProxyHalfOpenBothWaysEndsWithBothPeers(t *testing.T) {
	p := newProxy(t, echo(t, "a"))
	c := dial(t, p)
	c.link.Do(faultproxy.Failure{Kind: faultproxy.HalfOpen})
	c.say("end") // the server does not receive it
	c.hearsNothing()
	c.link.Do(faultproxy.Failure{Kind: faultproxy.Cut})
	c.ends(io.EOF)
}

func TestProxyRefusesAndChangesServer(t *testing.T) {
	p := newProxy(t, echo(t, "a"))
	c := dial(t, p)
	p.Refuse(true)
	refused := func() {
		t.Helper()
		conn, err := net.Dial("tcp", p.Addr())
		if err == nil {
			defer conn.Close()
			_, err = conn.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
	}
	refused()
	p.Refuse(false)
	p.SetBackend("")
	refused()
	p.SetBackend(echo(t, "b"))
	d := dial(t, p)
	d.say("1")
	d.hears("b 1")
	c.say("1")
	c.hears("a 1") // an open connection stays with its server
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	p.SetBackend(dead.Addr().String())
	refused()
}

func TestProxyCloseEndsStalledConnections(t *testing.T) {
	p := newProxy(t, echo(t, "a"))
	c := dial(t, p)
	p.Do(faultproxy.Failure{Kind: faultproxy.Stall})
	c.say("1")
	p.Close()
	<-c.link.Done()
}

func TestProxyAwaitEndsWithContext(t *testing.T) {
	p := newProxy(t, "")
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := p.Await(ctx, func([]*faultproxy.Link) bool { return false }); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func TestRandomFaultsRepeatBySeed(t *testing.T) {
	draw := func() (all []faultproxy.Failure) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			all = append(all, faultproxy.Random(r, time.Second))
		}
		return all
	}
	all := draw()
	if diff := cmp.Diff(all, draw()); diff != "" {
		t.Errorf("the same seed gave different failures (-first +second):\n%s", diff)
	}
	kinds := make(map[faultproxy.Kind]bool)
	for _, f := range all {
		kinds[f.Kind] = true
		if f.For <= 0 || f.For > time.Second || f.Rate <= 0 || f.Wait > time.Second {
			t.Errorf("%v is out of bounds: %+v", f, f)
		}
	}
	if len(kinds) != len(faultproxy.Kinds()) {
		t.Errorf("1000 failures have only the kinds %v", kinds)
	}
}
