package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	answerTimeout  = 10 * time.Second
	hurry          = 2 * time.Second // the time for the last replies after an interruption
	pauseOnFailure = 50 * time.Millisecond
	maxFailures    = 100 // in a row; after that the publisher gives up
)

// An endpoint is the server's address and the prepared requests.
type endpoint struct {
	tls     bool
	address string
	heads   [][]byte // headers of the requests, by channel; immutable
}

// newEndpoint prepares the headers of a request for each channel. Requests to one channel differ
// only in the body, and all bodies have the same length.
func newEndpoint(rawURL, key string, channels []string, bodySize int) (*endpoint, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	e := &endpoint{tls: u.Scheme == "https", address: u.Host}
	if u.Port() == "" {
		port := "80"
		if e.tls {
			port = "443"
		}
		e.address = net.JoinHostPort(u.Hostname(), port)
	}
	path := u.EscapedPath()
	for len(path) > 0 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	shown := ""
	if key != "" {
		shown = "Authorization: Bearer " + key + "\r\n"
	}
	for _, channel := range channels {
		e.heads = append(e.heads, fmt.Appendf(nil,
			"POST %s/broadcast/%s/ HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n",
			path, url.PathEscape(channel), u.Host, shown, bodySize))
	}
	return e, nil
}

func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	if e.tls {
		return (&tls.Dialer{}).DialContext(ctx, "tcp", e.address)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", e.address)
}

// A publisher is one HTTP connection that sends a message, waits for the reply, and sends the next
// message. Its fields are owned by its goroutine until the goroutine has ended.
type publisher struct {
	number   int
	to       *endpoint
	body     []byte // of the requests
	markAt   int    // the position of the mark in body
	sent     []uint32
	taken    []uint32 // by channel: how many messages the server has accepted with 200
	pace     pace
	answered *atomic.Uint64 // accepted messages of all publishers
	failed   uint64
	failure  error // the first failure
	answers  histogram

	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

// A pace says when messages are due. If the interval is 0, each message is due at once.
type pace struct {
	first, interval time.Duration // from the start of the run
}

// publish sends messages until the run has lasted for the duration, or the context ends.
func (p *publisher) publish(ctx context.Context, start time.Time, duration time.Duration) {
	defer func() {
		if p.conn != nil {
			p.conn.Close()
		}
	}()
	channel := p.number % len(p.to.heads)
	inARow := 0
	for i := int64(0); inARow < maxFailures; i++ {
		due := time.Since(start)
		if p.pace.interval > 0 {
			due = p.pace.first + time.Duration(i)*p.pace.interval
			// Times are measured from the moment when a message was due, so that a server that
			// delays the publishers does not look better than it is.
			if wait(ctx, due-time.Since(start)) != nil {
				return
			}
		}
		if ctx.Err() != nil || due >= duration {
			return
		}
		if err := p.send(ctx, channel, due); err != nil {
			if ctx.Err() != nil {
				return
			}
			inARow++
			p.failed++
			if p.failure == nil {
				p.failure = err
			}
			if wait(ctx, pauseOnFailure) != nil {
				return
			}
			continue
		}
		inARow = 0
		p.answered.Add(1)
		p.answers.record(time.Since(start) - due)
		channel = (channel + 1) % len(p.to.heads)
	}
}

// send posts the next message to a channel.
func (p *publisher) send(ctx context.Context, channel int, due time.Duration) error {
	if p.conn == nil {
		dialing, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		conn, err := p.to.dial(dialing)
		if err != nil {
			return err
		}
		p.conn, p.in = conn, bufio.NewReaderSize(conn, minBuffer)
	}
	p.sent[channel]++
	mark{publisher: uint16(p.number), channel: uint16(channel), number: p.sent[channel], time: int64(due)}.put(p.body[p.markAt:])
	p.out = append(append(p.out[:0], p.to.heads[channel]...), p.body...)

	conn := p.conn
	err := conn.SetDeadline(time.Now().Add(answerTimeout))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now().Add(hurry)) }) //nolint:errcheck // only fails on a closed one
	defer stop()
	if err == nil {
		_, err = conn.Write(p.out)
	}
	status := 0
	if err == nil {
		status, err = readAnswer(p.in)
	}
	if err != nil {
		conn.Close()
		p.conn = nil
		return err
	}
	if status != 200 {
		return fmt.Errorf("the server answered %d to a broadcast", status)
	}
	p.taken[channel]++
	return nil
}

var errAnswer = errors.New("the server's answer is not HTTP/1.1")

// readAnswer reads a reply and discards its body. net/http would cost several times as much, and
// the tool usually runs on the server's machine.
func readAnswer(in *bufio.Reader) (status int, err error) {
	length, chunked, ending := int64(0), false, false
	for {
		text, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		text = bytes.TrimRight(text, "\r\n")
		switch {
		case status == 0 && len(text) == 0: // the end of a previous chunked body
		case status == 0:
			if len(text) < 12 || !bytes.HasPrefix(text, []byte("HTTP/1.")) {
				return 0, errAnswer
			}
			if status, err = strconv.Atoi(string(text[9:12])); err != nil {
				return 0, errAnswer
			}
		case len(text) == 0:
			return status, skip(in, length, chunked, ending)
		default:
			name, value, _ := bytes.Cut(text, []byte(":"))
			value = bytes.TrimSpace(value)
			switch {
			case bytes.EqualFold(name, []byte("Content-Length")):
				if length, err = strconv.ParseInt(string(value), 10, 63); err != nil {
					return 0, errAnswer
				}
			case bytes.EqualFold(name, []byte("Transfer-Encoding")):
				chunked = true
			case bytes.EqualFold(name, []byte("Connection")):
				ending = bytes.EqualFold(value, []byte("close"))
			}
		}
	}
}

func skip(in *bufio.Reader, length int64, chunked, ending bool) error {
	var err error
	if chunked {
		_, err = io.Copy(io.Discard, httputil.NewChunkedReader(in))
	} else if length > 0 {
		_, err = io.CopyN(io.Discard, in, length)
	}
	if err == nil && ending {
		return errors.New("the server closes the connection after each answer")
	}
	return err
}

// wait returns after d. It returns an error if the context ends first.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
