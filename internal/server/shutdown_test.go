package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// halfPublish sends a publish without the end of its body, and returns when the handler has begun
// to read it.
func halfPublish(t *testing.T, s *Server, body string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.APIAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "POST /broadcast/news/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	// The server sends "continue" when the handler reads the body.
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line, err)
	}
	io.WriteString(c, body[:len(body)-1])
	return c
}

// refuses reports whether nothing listens on the address any more.
func refuses(addr net.Addr) bool {
	c, err := net.Dial("tcp", addr.String())
	if err == nil {
		c.Close()
	}
	return err != nil
}

// TestShutdownOrder shuts a server down while a publish is half sent. New connections are refused,
// but the publish finishes, and its subscriber receives the message before the goodbye.
func TestShutdownOrder(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	subscriber := subscribe(t, s, "news")
	const body = `{"payload": "last"}`
	publisher := halfPublish(t, s, body)

	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	waitUntil(t, func() bool { return refuses(s.APIAddr()) && refuses(s.WSAddr()) })
	if err := s.Ready(); !errors.Is(err, boreas.ErrShuttingDown) {
		t.Errorf("Ready: %v", err)
	}

	io.WriteString(publisher, body[len(body)-1:])
	response, err := http.ReadResponse(bufio.NewReader(skipContinue(publisher)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 || !response.Close {
		t.Errorf("the publish under way: %v, closing: %v", response.Status, response.Close)
	}
	subscriber.Want(`{"message": "last", "channel": "news"}`)
	if reason := subscriber.WantClosed(1001); reason != boreas.ErrShuttingDown.Error() {
		t.Errorf("the subscriber was told %q", reason)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("a second Shutdown: %v", err)
	}
}

// skipContinue skips the empty line after "100 Continue" if it has not been read.
func skipContinue(c net.Conn) io.Reader {
	r := bufio.NewReader(c)
	if next, err := r.Peek(2); err == nil && string(next) == "\r\n" {
		r.Discard(2)
	}
	return r
}

// TestShutdownCutsOff shuts down a server whose publisher never finishes.
func TestShutdownCutsOff(t *testing.T) {
	s, err := Start(t.Context(), testConfig(nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	publisher := halfPublish(t, s, `{"payload": 1}`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = s.Shutdown(ctx)
	const want = "not all connections ended in time, and the server closed the rest: context deadline exceeded"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := io.Copy(io.Discard, publisher); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the publisher's connection: %v", err) // nil means the end of the stream
	}
}

// TestDrainOfAFewSessions: the drain time is a maximum. Two sessions do not need all of it, because
// no others reconnect at the same time.
func TestDrainOfAFewSessions(t *testing.T) {
	s := start(t, testConfig(func(c *config.Config) { c.DrainTime = time.Hour }), Options{})
	first := subscribe(t, s, "one")
	second := subscribe(t, s, "two")
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	first.WantClosed(1001)
	second.WantClosed(1001)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFailed(t *testing.T) {
	s := start(t, testConfig(nil), Options{})
	s.ws.listener.Close()
	err := <-s.Failed()
	if err == nil || !strings.HasPrefix(err.Error(), "the WebSocket listener on "+s.WSAddr().String()+" has failed: ") {
		t.Error(err)
	}
}
