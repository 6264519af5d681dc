package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testca"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

const (
	heldMax  = 4 << 20
	heldPage = 800 << 10 // size of a message

	clients = 150

	// again is how often each client requests a page. The kernel's buffers hold some of the pages.
	again = 20
)

// stalled is a set of clients that do not read, or do not complete their requests.
type stalled struct {
	*testing.T
	server *Server
	ca     *testca.Authority // nil without TLS
	conns  []net.Conn
}

// dial connects with a small receive buffer.
func (d *stalled) dial(address net.Addr, protocol string) net.Conn {
	d.Helper()
	c, err := net.Dial("tcp", address.String())
	if err != nil {
		d.Fatal(err)
	}
	d.conns = append(d.conns, c)
	c.(*net.TCPConn).SetReadBuffer(4096)
	c.SetDeadline(time.Now().Add(time.Minute))
	if d.ca != nil {
		c = tls.Client(c, &tls.Config{RootCAs: d.ca.Pool(), ServerName: "localhost", NextProtos: []string{protocol}})
	}
	return c
}

func (d *stalled) say(c net.Conn, what []byte) {
	d.Helper()
	if _, err := c.Write(what); err != nil {
		d.Fatal(err)
	}
}

// socket opens a WebSocket and reads its greeting.
func (d *stalled) socket() net.Conn {
	d.Helper()
	c := d.dial(d.server.WSAddr(), "http/1.1")
	d.say(c, []byte(wstest.Handshake("/v2", "Host: localhost")))
	var got []byte
	for !bytes.Contains(got, []byte(`{"hello":`)) {
		b := make([]byte, 1024)
		n, err := c.Read(b)
		if err != nil {
			d.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	return c
}

// zeroWindow opens an HTTP/2 connection whose streams accept no bytes, and requests a path the
// given number of times.
func (d *stalled) zeroWindow(address net.Addr, path string, streams int) {
	d.Helper()
	c := d.dial(address, "h2")
	d.say(c, []byte(http2.ClientPreface))
	framer := http2.NewFramer(c, c)
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		d.Fatal(err)
	}
	for i := range streams {
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", path}} {
			if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				d.Fatal(err)
			}
		}
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
			d.Fatal(err)
		}
	}
	go io.Copy(io.Discard, c) // reads the frames, so that only the streams are blocked
}

// until waits for a condition. what describes the failure.
func (d *stalled) until(what string, done func(boreas.Stats) bool) {
	d.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !done(d.server.hub.Stats()) {
		if time.Now().After(deadline) {
			d.Fatalf("%s: %+v", what, d.server.hub.Stats().Held)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestHeldBytesAreBounded sends requests for which the server once held gigabytes. Each row
// has one kind of request, with more clients than the memory limit allows.
func TestHeldBytesAreBounded(t *testing.T) {
	full := func(s boreas.Stats) bool { return s.Held.Waiting >= 40 && s.Held.Bytes > heldMax/2 }
	blocked := func(streams int64) func(boreas.Stats) bool {
		return func(s boreas.Stats) bool { return s.Blocked == streams && s.Held.Batch > heldMax/2 }
	}
	for _, test := range []struct {
		name string
		tls  bool
		do   func(d *stalled)
		full func(s boreas.Stats) bool
	}{
		{"history over WebSockets", false, func(d *stalled) {
			for range clients {
				d.say(d.socket(), []byte(strings.Repeat(wstest.Text(`{"id":1,"history":{"channel":"big"}}`), again)))
			}
		}, full},
		{"history over WebSockets with TLS", true, func(d *stalled) {
			for range clients {
				d.say(d.socket(), []byte(strings.Repeat(wstest.Text(`{"id":1,"history":{"channel":"big"}}`), again)))
			}
		}, full},
		{"history over the API", false, func(d *stalled) {
			for range clients {
				d.say(d.dial(d.server.APIAddr(), "http/1.1"), bytes.Repeat([]byte("GET /v2/channels/big/messages HTTP/1.1\r\nHost: localhost\r\n\r\n"), again))
			}
		}, full},
		{"history over the API with HTTP/2", true, func(d *stalled) { d.zeroWindow(d.server.APIAddr(), "/v2/channels/big/messages", 60) }, full},
		{"unfinished messages", false, func(d *stalled) {
			for range 120 {
				d.say(d.socket(), []byte(wstest.Text(strings.Repeat("x", 60_000))[:59_000]))
			}
		}, full},
		{"unfinished bodies", false, func(d *stalled) {
			for range 60 {
				d.say(d.dial(d.server.APIAddr(), "http/1.1"), []byte("POST /v2/channels/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n"+strings.Repeat("1", 200_000)))
			}
		}, full},
		{"streams of events over HTTP/2", true, func(d *stalled) {
			for range 2 {
				d.zeroWindow(d.server.WSAddr(), "/v2/events?channel=big&last=10", 100)
			}
		}, blocked(200)},
		{"streams of events of several channels over HTTP/2", true, func(d *stalled) {
			d.zeroWindow(d.server.WSAddr(), "/v2/events?channel=big&channel=small&last=10", 100)
		}, blocked(100)},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &stalled{T: t}
			change := func(c *config.Config) {
				c.RequireAuth, c.PeerMemory, c.MaxBody = false, heldMax, 1<<20
			}
			if test.tls {
				d.ca = testca.New()
				d.server = withTLS(t, d.ca, Options{}, change)
			} else {
				d.server = start(t, testConfig(change), Options{})
			}
			for i := range 10 {
				m := engine.Message{Data: []byte(fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", heldPage)))}
				if _, err := d.server.hub.Publish(context.Background(), "big", m); err != nil {
					t.Fatal(err)
				}
			}
			before := heapInUse()
			test.do(d)
			d.until("too few bytes are held", test.full)
			// A ping may make an array grow, and a TLS connection may hold a record.
			if held := d.server.hub.Stats().Held; held.Bytes-held.Batch > heldMax*5/4 || held.Batch > heldMax {
				t.Errorf("the server holds more than the limit: %+v", held)
			}
			// The other memory of the requests is released on its own.
			d.until("the heap has grown by more than the limit", func(boreas.Stats) bool { return heapInUse()-before < 15*heldMax })
			for _, c := range d.conns {
				c.Close()
			}
			d.until("bytes are still held", func(s boreas.Stats) bool { return s.Held.Bytes == 0 && s.Held.Waiting == 0 })
		})
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
