package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// revocations is the number of users to revoke per run.
const revocations = 30

// revokeUsers connects the plan's sessions, several per user, and revokes one user after the other.
// It measures the time until the call returns, and the time until the last of the user's sessions
// has received its close frame. Before the next revocation, the sessions reconnect with a new
// token.
func (w *workshop) revokeUsers(ctx context.Context, p plan, e entrant, into *result) error {
	if pinned() {
		// This process is the load, so keep it off the server's core.
		pin := exec.CommandContext(ctx, "taskset", "-a", "-cp", strconv.Itoa(w.options.loadCPU), strconv.Itoa(os.Getpid()))
		if out, err := pin.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	server, err := w.start(ctx, entrant{contender: withoutTokens(e.contender), program: e.program}, p)
	if err != nil {
		return err
	}
	defer server.stop()
	users := p.subscribers / p.revoke
	sessions := make([][]net.Conn, users)
	defer func() {
		for _, list := range sessions {
			closeAll(list)
		}
	}()
	come := func(u int) error {
		token, err := newOpaqueToken(ctx, server.ports.api, fmt.Sprint("user", u))
		if err != nil {
			return err
		}
		sessions[u], err = connectAll(server.ports.subscribers(), token, p.revoke)
		return err
	}
	if err := awaitNodes(ctx, server.ports); err != nil {
		return err
	}
	for u := range users {
		if err := come(u); err != nil {
			return fmt.Errorf("%w; the server said: %s", err, server.lastWords())
		}
	}
	var lasts, ends []float64
	for i := range revocations {
		u := i % users
		cut := make(chan error, p.revoke)
		closed := make([]time.Time, p.revoke)
		for i, c := range sessions[u] {
			go func() {
				err := awaitClose(c)
				closed[i] = time.Now()
				cut <- err
			}()
		}
		// The issue times of tokens have a resolution of one second.
		began := time.Now()
		var answer struct{ Sessions int }
		if err := post(ctx, server.ports.api, "/v2/revocations", fmt.Sprintf(`{"user":"user%d"}`, u), &answer); err != nil {
			return err
		}
		answered := time.Since(began)
		for range p.revoke {
			if err := <-cut; err != nil {
				return err
			}
		}
		last := time.Since(began)
		if answer.Sessions != p.revoke {
			into.faults["sessions not cut"] += float64(p.revoke - answer.Sessions)
		}
		closeAll(sessions[u])
		lasts = append(lasts, milliseconds(last))
		for _, at := range closed {
			ends = append(ends, milliseconds(at.Sub(began)))
		}
		into.add(map[string]float64{"answer_ms": milliseconds(answered), "last_ms": milliseconds(last)}, "", p)
		time.Sleep(time.Until(began.Add(1100 * time.Millisecond))) // so that the next token has a later issue time
		if err := come(u); err != nil {
			return err
		}
	}
	slices.Sort(ends)
	into.add(map[string]float64{"last_max_ms": slices.Max(lasts), "end_p99_ms": ends[len(ends)*99/100]}, "", p)
	if e.nodes > 0 {
		return nameStopped(ctx, server, p, into)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func withoutTokens(c contender) contender {
	c.admit = noTokens
	return c
}

func closeAll(list []net.Conn) {
	for _, c := range list {
		c.Close()
	}
}

// connectAll opens n sessions of protocol 2 that have authenticated and joined a channel, on the ports in turn.
func connectAll(ports []int, token string, n int) ([]net.Conn, error) {
	list := make([]net.Conn, n)
	errs := make(chan error, n)
	const atOnce = 64
	turns := make(chan struct{}, atOnce)
	for i := range list {
		turns <- struct{}{}
		go func() {
			var err error
			list[i], err = connectOne(ports[i%len(ports)], token)
			<-turns
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			closeAll(slices.DeleteFunc(list, func(c net.Conn) bool { return c == nil }))
			return nil, err
		}
	}
	return list, nil
}

func connectOne(port int, token string) (net.Conn, error) {
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(c, "GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", token)
	r := bufio.NewReaderSize(c, 1024)
	answer, err := http.ReadResponse(r, nil)
	if err == nil && answer.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New("handshake: " + answer.Status)
	}
	if err == nil {
		_, err = readFrame(r) // hello
	}
	if err == nil {
		_, err = c.Write(maskedFrame(`{"id":1,"join":{"channels":[{"channel":"room-1"}]}}`))
	}
	if err == nil {
		_, err = readFrame(r)
	}
	if err == nil && r.Buffered() > 0 {
		err = errors.New("more came than was asked for") // no other frame is expected, because the server does not ping here
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// awaitClose reads until the close frame with code 4300.
func awaitClose(c net.Conn) error {
	r := bufio.NewReaderSize(c, 1024)
	const opClose, tokenRevoked = 8, 4300
	for {
		frame, err := readFrame(r)
		if err != nil {
			return fmt.Errorf("a session that should be cut: %w", err)
		}
		if frame.op == opClose {
			if code := binary.BigEndian.Uint16(frame.payload); code != tokenRevoked {
				return fmt.Errorf("a session was closed with %d", code)
			}
			return nil
		}
	}
}

type frame struct {
	op      byte
	payload []byte
}

func readFrame(r *bufio.Reader) (frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return frame{}, err
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return frame{}, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	return frame{head[0] & 15, payload}, err
}

// maskedFrame returns a short text message with a mask of zeros.
func maskedFrame(text string) []byte {
	const fin, opText, mask = 0x80, 1, 0x80
	return append([]byte{fin | opText, mask | byte(len(text)), 0, 0, 0, 0}, text...)
}
