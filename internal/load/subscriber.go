package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

const (
	joinTimeout = 15 * time.Second // for the handshake and the reply to the joins
	// Limits of a subscriber's buffer in bytes. A larger buffer takes more frames per read. All
	// buffers together should stay within bufferBudget.
	minBuffer    = 4 << 10
	maxBuffer    = 64 << 10
	bufferBudget = 256 << 20
	goodbyeWait  = 100 * time.Millisecond
	slowBuffer   = 4 << 10 // socket buffer of a subscriber that reads nothing: small, so that it fills up soon
)

// A subscriber is one WebSocket. Its fields are owned by its reader while that runs, and by the run
// before and after.
type subscriber struct {
	conn   net.Conn
	buffer []byte
	filled int // bytes of the buffer in use, also those that the handshake read too far

	ledger *ledger
	find   finder
	shard  *shard
	ended  error // why the reader stopped; nil after hangUp

	hung atomic.Bool // hangUp was called
}

// A shard collects the measurements of some subscribers, so that not all of them wait for one lock.
type shard struct {
	deliveries atomic.Uint64

	mu sync.Mutex

	// Guarded by mu.
	latency histogram
	lastAt  time.Duration

	_ [64]byte // puts the next shard's counter into another cache line
}

// connect opens the connection, sends the token and joins the channels. It waits until the server
// has processed all that, which it knows from the reply to a final ping.
func (s *subscriber) connect(ctx context.Context, url, token string, channels []string) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	dialer := ws.Dialer{ReadBufferSize: minBuffer, WriteBufferSize: 1 << 10, TLSConfig: trust(ctx, url)}
	conn, early, _, err := dialer.Dial(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", url, err)
	}
	s.conn = conn
	if early != nil {
		text, _ := early.Peek(early.Buffered())
		s.filled = copy(s.buffer, text)
		ws.PutReader(early)
	}
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })() //nolint:errcheck // only fails on a closed one
	if err := s.join(token, channels); err != nil {
		conn.Close()
		return fmt.Errorf("join channels: %w", err)
	}
	return nil
}

// trust returns the TLS configuration for a URL. On this machine any certificate is accepted,
// because nobody can intercept the connection. nil means the system's authorities.
func trust(ctx context.Context, url string) *tls.Config {
	if local, err := OnLoopback(ctx, url); err != nil || !local {
		return nil
	}
	return &tls.Config{InsecureSkipVerify: true}
}

// socketOf returns the connection below TLS, or conn itself if it is not TLS.
func socketOf(conn net.Conn) net.Conn {
	if t, ok := conn.(*tls.Conn); ok {
		return t.NetConn()
	}
	return conn
}

func (s *subscriber) join(token string, channels []string) error {
	auth, err := json.Marshal(map[string]string{"access_token": token})
	if err != nil {
		return err
	}
	join, err := json.Marshal(map[string]any{"channels": map[string][]string{"join": channels, "leave": {}}})
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for _, f := range []ws.Frame{ws.NewTextFrame(auth), ws.NewTextFrame(join), ws.NewPingFrame([]byte("joined?"))} {
		if err := ws.WriteFrame(&all, ws.MaskFrameInPlace(f)); err != nil {
			return err
		}
	}
	if _, err := s.conn.Write(all.Bytes()); err != nil {
		return err
	}
	for joined := false; !joined; {
		err := s.fill(func(code ws.OpCode, payload []byte) error {
			joined = joined || code == ws.OpPong
			return s.control(code, payload)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// read reads messages until the connection ends.
func (s *subscriber) read(start time.Time) {
	for {
		var now time.Duration
		var batch [256]time.Duration // latencies, recorded in the shard together
		n, due := 0, uint64(0)
		flush := func() {
			s.shard.mu.Lock()
			for _, d := range batch[:n] {
				s.shard.latency.record(d)
			}
			s.shard.lastAt = max(s.shard.lastAt, now)
			s.shard.mu.Unlock()
			n = 0
		}
		err := s.fill(func(code ws.OpCode, payload []byte) error {
			if code != ws.OpText {
				return s.control(code, payload)
			}
			m, ok := s.find.find(payload)
			if !ok {
				s.ledger.unreadable++
				return nil
			}
			if !s.ledger.note(m) {
				return nil
			}
			if now == 0 {
				now = time.Since(start)
			}
			if n == len(batch) {
				flush()
			}
			batch[n] = now - time.Duration(m.time)
			n++
			due++
			return nil
		})
		if n > 0 {
			flush()
		}
		s.shard.deliveries.Add(due)
		if err != nil {
			if !s.hung.Load() {
				s.ended = err
			}
			return
		}
	}
}

// hangUp sends a close frame and ends the reader.
func (s *subscriber) hangUp() {
	if s.hung.Swap(true) {
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(goodbyeWait))                                                    //nolint:errcheck // it is closed next
	ws.WriteFrame(s.conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))) //nolint:errcheck // it is closed next
	s.conn.Close()
}

// fill reads once and calls take with each complete frame.
func (s *subscriber) fill(take func(ws.OpCode, []byte) error) error {
	if s.filled == 0 || s.short() {
		n, err := s.conn.Read(s.buffer[s.filled:])
		if n == 0 && err != nil {
			return err
		}
		s.filled += n
	}
	data := s.buffer[:s.filled]
	for {
		code, payload, used, need, err := nextFrame(data)
		if err != nil {
			return err
		}
		if used == 0 {
			s.keep(data, need)
			return nil
		}
		if err := take(code, payload); err != nil {
			return err
		}
		data = data[used:]
	}
}

// short reports whether the buffer holds no complete frame.
func (s *subscriber) short() bool {
	_, _, used, _, err := nextFrame(s.buffer[:s.filled])
	return used == 0 && err == nil
}

// keep moves the start of an incomplete frame to the front of the buffer, with room for need bytes.
func (s *subscriber) keep(rest []byte, need int) {
	into := s.buffer
	if need > len(into) {
		into = make([]byte, need)
	} else if len(rest) == s.filled {
		return // it is already at the front
	}
	s.filled = copy(into, rest)
	s.buffer = into
}

// control replies to pings, and returns an error if the server closes the connection.
func (s *subscriber) control(code ws.OpCode, payload []byte) error {
	switch code {
	case ws.OpPing:
		return ws.WriteFrame(s.conn, ws.MaskFrame(ws.NewPongFrame(payload)))
	case ws.OpClose:
		return closed(payload)
	case ws.OpPong, ws.OpText:
		return nil
	}
	return fmt.Errorf("%w: a frame of kind %d", errFrame, code)
}

// errClosed means that the server sent a close frame.
var errClosed = errors.New("closed by the server")

func closed(payload []byte) error {
	if len(payload) < 2 {
		return errClosed
	}
	return fmt.Errorf("%w with %d %s", errClosed, binary.BigEndian.Uint16(payload), payload[2:])
}
