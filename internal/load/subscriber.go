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
	joinTimeout = 15 * time.Second // for the handshake and the answer to the joins
	// A subscriber's buffer is between these, in bytes; all together try to stay
	// within bufferBudget. A larger one takes more frames a read.
	minBuffer    = 4 << 10
	maxBuffer    = 64 << 10
	bufferBudget = 256 << 20
	goodbyeWait  = 100 * time.Millisecond
	slowBuffer   = 4 << 10 // of the socket of one that reads nothing: it is to fill up soon
)

// A subscriber is one WebSocket. Its fields belong to its reader once that runs,
// and to the run again after it has ended.
type subscriber struct {
	conn   net.Conn
	buffer []byte
	filled int // bytes of the buffer in use: what the handshake read too much

	ledger *ledger
	find   finder
	shard  *shard
	ended  error // why the reader stopped; nil if it was told to

	hung atomic.Bool // told to stop
}

// A shard gathers what some of the subscribers have measured, so that they do not
// all wait for one lock.
type shard struct {
	deliveries atomic.Uint64
	mu         sync.Mutex
	latency    histogram // guarded by mu
	lastAt     time.Duration
	_          [64]byte // the next one's counter is on another cache line
}

// connect makes the connection, shows the token, joins, and waits until the server
// has taken all that: it answers a ping that is sent after it.
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

// trust returns whom to trust for a URL: on this machine any certificate, since nobody
// stands in between; nil means the system's authorities.
func trust(ctx context.Context, url string) *tls.Config {
	if local, err := OnLoopback(ctx, url); err != nil || !local {
		return nil
	}
	return &tls.Config{InsecureSkipVerify: true}
}

// socketOf returns the connection below TLS, if that is what it is.
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

// read takes what comes until the connection ends.
func (s *subscriber) read(start time.Time) {
	for {
		var now time.Duration
		var batch [256]time.Duration // latencies, handed to the shard in one go
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

// hangUp says goodbye and ends the reader.
func (s *subscriber) hangUp() {
	if s.hung.Swap(true) {
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(goodbyeWait))                                                    //nolint:errcheck // it is closed next
	ws.WriteFrame(s.conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))) //nolint:errcheck // it is closed next
	s.conn.Close()
}

// fill reads once and gives each whole frame that is there to take.
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

// short tells whether the buffer holds no whole frame.
func (s *subscriber) short() bool {
	_, _, used, _, err := nextFrame(s.buffer[:s.filled])
	return used == 0 && err == nil
}

// keep moves the beginning of a frame to the front, where there will be need bytes
// of room for it.
func (s *subscriber) keep(rest []byte, need int) {
	into := s.buffer
	if need > len(into) {
		into = make([]byte, need)
	} else if len(rest) == s.filled {
		return // it is there already
	}
	s.filled = copy(into, rest)
	s.buffer = into
}

// control answers pings, and ends the connection when the server closes it.
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

// errClosed is a close frame of the server.
var errClosed = errors.New("closed by the server")

func closed(payload []byte) error {
	if len(payload) < 2 {
		return errClosed
	}
	return fmt.Errorf("%w with %d %s", errClosed, binary.BigEndian.Uint16(payload), payload[2:])
}
