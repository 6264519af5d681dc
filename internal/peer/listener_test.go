package peer

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listen opens a listener that trusts the networks. It sends refusals to the channel.
func listen(t *testing.T, timeout time.Duration, networks ...string) (*Listener, chan string) {
	t.Helper()
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inner.Close() })
	refused := make(chan string, 10)
	l := &Listener{Listener: inner, Timeout: timeout, Refused: func(proxy netip.Addr, err error) {
		refused <- proxy.String() + ": " + err.Error()
	}}
	for _, n := range networks {
		l.Proxies = append(l.Proxies, netip.MustParsePrefix(n))
	}
	return l, refused
}

// dial connects, sends the text, and returns both ends.
func dial(t *testing.T, l *Listener, text string) (near, far net.Conn) {
	t.Helper()
	near, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	if _, err := io.WriteString(near, text); err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	return near, far
}

func TestBehindAProxy(t *testing.T) {
	for _, c := range []struct{ name, header, want string }{
		{"v1", "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\r\n", "192.0.2.7:1234"},
		{"v2", v2(0x21, 0x21, 36, six), "[2001:db8::7]:1234"},
		{"health check", v2(0x20, 0, 0, ""), ""},
		{"unknown", "PROXY UNKNOWN\r\n", ""},
	} {
		l, _ := listen(t, time.Minute, "127.0.0.0/8")
		near, far := dial(t, l, c.header+"hello")
		want := c.want
		if want == "" { // the proxy itself
			want = near.LocalAddr().String()
		}
		if diff := cmp.Diff([]string{want, "hello"}, []string{far.RemoteAddr().String(), readRaw(t, far)}); diff != "" {
			t.Errorf("%s, address first (-want +got):\n%s", c.name, diff)
		}
		if got := Direct(far); got != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("%s: Direct returned %v", c.name, got)
		}
		_, far = dial(t, l, c.header+"hello")
		if diff := cmp.Diff("hello", readRaw(t, far)); diff != "" {
			t.Errorf("%s, descriptor first (-want +got):\n%s", c.name, diff)
		}
		_, far = dial(t, l, c.header+"hello")
		b := make([]byte, 100)
		n, err := far.Read(b)
		if diff := cmp.Diff("hello", string(b[:n])); diff != "" || err != nil {
			t.Errorf("%s, Read first: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

// TestNoProxy: a client that is not a trusted proxy cannot choose its address.
func TestNoProxy(t *testing.T) {
	l, _ := listen(t, time.Minute, "192.0.2.0/24")
	near, far := dial(t, l, "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\r\n")
	if _, ok := far.(*net.TCPConn); !ok {
		t.Errorf("Accept returned a %T, want a *net.TCPConn", far)
	}
	got := []string{far.RemoteAddr().String(), readRaw(t, far)}
	if diff := cmp.Diff([]string{near.LocalAddr().String(), "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\r\n"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestRefused: a connection from a proxy is closed and reported if the header is missing or slow.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, sent string
		timeout    time.Duration
		want       string
	}{
		{"no header", "GET / HTTP/1.1\r\n\r\n", time.Minute, "127.0.0.1: it does not begin with a header of the PROXY protocol"},
		{"slow", "PROXY TCP4 ", time.Nanosecond, "127.0.0.1: the header of the PROXY protocol did not come: "},
	} {
		l, refused := listen(t, c.timeout, "127.0.0.0/8")
		near, far := dial(t, l, c.sent)
		if got := far.RemoteAddr().String(); got != near.LocalAddr().String() {
			t.Errorf("%s: RemoteAddr returned %s", c.name, got)
		}
		if n, err := far.Read(make([]byte, 100)); err == nil {
			t.Errorf("%s: %d bytes can be read", c.name, n)
		}
		if got := <-refused; !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
		if b, err := io.ReadAll(near); len(b) != 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %q %v", c.name, b, err)
		}
	}
}

// TestSilentProxy: Accept does not wait for a silent proxy. Closing a connection ends the wait for
// its header.
func TestSilentProxy(t *testing.T) {
	l, refused := listen(t, time.Hour, "127.0.0.0/8")
	_, far := dial(t, l, "")
	waiting := make(chan net.Addr)
	go func() { waiting <- far.RemoteAddr() }()
	_, other := dial(t, l, "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\r\n")
	if got := other.RemoteAddr().String(); got != "192.0.2.7:1234" {
		t.Error(got)
	}
	far.Close()
	<-waiting
	if got := <-refused; !strings.Contains(got, "did not come") {
		t.Error(got)
	}
}

// TestHeaderTimeout: the timeout applies to the whole header, and to nothing after it.
func TestHeaderTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := func(header string, pause time.Duration) (net.Conn, chan error) {
			near, far := net.Pipe()
			sent := make(chan error, 1)
			go func() {
				for _, b := range []byte(header) {
					if _, err := near.Write([]byte{b}); err != nil {
						sent <- err
						return
					}
					time.Sleep(pause)
				}
				time.Sleep(time.Hour)
				_, err := io.WriteString(near, "hello")
				sent <- err
			}()
			return &conn{Conn: far, listener: &Listener{Timeout: 10 * time.Second}}, sent
		}
		const header = "PROXY TCP4 192.0.2.7 10.0.0.9 1234 80\r\n" // 39 bytes
		c, sent := open(header, 200*time.Millisecond)
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != "h" && string(b[:n]) != "hello" || c.RemoteAddr().String() != "192.0.2.7:1234" {
			t.Errorf("%q %v %v", b[:n], err, c.RemoteAddr())
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		start := time.Now()
		c, sent = open(header, 300*time.Millisecond)
		if n, err := c.Read(b); err == nil {
			t.Errorf("a slow header: %q", b[:n])
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("the read took %v, want 10s", took)
		}
		if err := <-sent; err == nil {
			t.Error("the connection is open")
		}
	})
}

func TestTrust(t *testing.T) {
	for address, want := range map[string]bool{"10.0.0.1": true, "::ffff:10.0.0.1": true, "11.0.0.1": false, "2001:db8:f::1": true, "::1": false} {
		if got := trusted().Trust(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}
