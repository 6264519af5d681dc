package hostile

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// This file speaks WebSocket (RFC 6455) as wrongly as an attacker likes, which no library
// would let it.

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
	fin            = 0x80
	rsv1           = 0x40
)

// handshake is a good one.
func handshake(path string, headers ...string) string {
	return get(path, append([]string{
		"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...)...)
}

// frame is a masked frame, as clients send them. First has FIN, RSV and the opcode.
func frame(first byte, payload string) string {
	return header(first, uint64(len(payload))) + masked(payload)
}

// header is a frame's, with the mask in it. It can claim any length.
func header(first byte, length uint64) string {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	return string(append(b, mask[:]...))
}

var mask = [4]byte{0x5a, 0xa5, 0x0f, 0xf0}

func masked(payload string) string {
	b := []byte(payload)
	for i := range b {
		b[i] ^= mask[i%4]
	}
	return string(b)
}

func text(payload string) string { return frame(fin|opText, payload) }

// closeFrame is a close frame with a code.
func closeFrame(code uint16, reason string) string {
	return frame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// socket connects a WebSocket. Said is what came of it: "101" if all is well.
func (a *attacker) socket(from int, path string, headers ...string) (l *line, said string) {
	l = a.dial(from, a.events).say(handshake(path, headers...))
	return l, l.answer()
}

// open is like socket where it must succeed.
func (a *attacker) open(from int, path string, headers ...string) *line {
	a.Helper()
	l, said := a.socket(from, path, headers...)
	if said != "101" {
		a.Fatalf("the handshake on %s from %s: %s", path, a.address(from), said)
	}
	return l
}

// withToken is a path with a token in it.
func withToken(path, token string) string { return path + "?access_token=" + url.QueryEscape(token) }

// next reads one frame.
func (l *line) next() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1] & 0x7f)
	if more := map[uint64]int{126: 2, 127: 8}[length]; more > 0 {
		var b [8]byte
		if _, err := io.ReadFull(l.in, b[8-more:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(b[:])
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(l.in, payload)
	return head[0] & 0x0f, payload, err
}

// A message is what protocol 2 says.
type message struct {
	ID      any
	Error   *struct{ Code string }
	Goodbye *struct{ Error struct{ Code string } }
	Channel string
	Message json.RawMessage
	Gap     *struct{ Reason string }
	Join    *struct {
		Channels []struct {
			Channel   string
			Error     *struct{ Code string }
			Gap       *struct{ Reason string }
			Recovered *bool
			Position  string
		}
	}
	Presence json.RawMessage
}

// message reads the next message of protocol 2. At the end it returns how that came.
func (l *line) message() (m message, over string) {
	goodbye := ""
	for {
		op, payload, err := l.next()
		switch {
		case err != nil:
			return message{}, ending(err)
		case op == opClose && len(payload) < 2:
			return message{}, "closed without a code"
		case op == opClose:
			code := binary.BigEndian.Uint16(payload)
			return message{}, strings.TrimSpace(fmt.Sprint("closed with ", code, " ", goodbye))
		case op != opText:
			continue
		}
		m = message{}
		if err := json.Unmarshal(payload, &m); err != nil {
			l.a.Errorf("%v: %s", err, payload)
		}
		if m.Goodbye == nil {
			return m, ""
		}
		goodbye = m.Goodbye.Error.Code
	}
}

// end reads until the WebSocket ends, and returns how.
func (l *line) end() string {
	for {
		if _, over := l.message(); over != "" {
			return over
		}
	}
}

// reply reads until the reply with the ID, or any error without one; and returns "ok", the
// error, those of the channels of a join, or how the WebSocket ended.
func (l *line) reply(id any) string {
	for {
		m, over := l.message()
		switch {
		case over != "":
			return over
		case m.Error != nil && (m.ID == nil || fmt.Sprint(m.ID) == fmt.Sprint(id)):
			return m.Error.Code
		case m.ID != nil && fmt.Sprint(m.ID) == fmt.Sprint(id):
			return m.outcome()
		}
	}
}

// outcome says what came of a request that was answered.
func (m *message) outcome() string {
	if m.Join == nil {
		return "ok"
	}
	got := make(tally)
	for _, c := range m.Join.Channels {
		switch {
		case c.Error != nil:
			got.add(c.Error.Code)
		case c.Gap != nil:
			got.add("gap " + c.Gap.Reason)
		default:
			got.add("ok")
		}
	}
	return got.String()
}

// lives tells whether the WebSocket still answers: "lives", or how it ended. A pong of its
// own tells it, which every wire has.
func (l *line) lives() string {
	l.say(frame(fin|opPing, "alive?"))
	for {
		op, payload, err := l.next()
		switch {
		case err != nil:
			return ending(err)
		case op == opPong && string(payload) == "alive?":
			return "lives"
		case op == opClose && len(payload) >= 2:
			return fmt.Sprint("closed with ", binary.BigEndian.Uint16(payload))
		}
	}
}

// frames makes an attack of texts that are each sent to a new WebSocket of either wire. What
// comes of them is counted.
func frames(outcome func(*line) string, texts ...string) func(*attacker) string {
	return func(a *attacker) string {
		got := make(tally)
		for _, path := range []string{"/", "/v2"} {
			for _, text := range texts {
				got.add(outcome(a.open(0, path).say(text)))
			}
		}
		return got.String()
	}
}

// joinOf is a request to join a channel.
func joinOf(channel string, more string) string {
	name, _ := json.Marshal(channel)
	return `{"id":"j","join":{"channels":[{"channel":` + string(name) + more + `}]}}`
}
