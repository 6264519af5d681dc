package attack

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// handshake returns a valid handshake.
func handshake(path string, headers ...string) string {
	return wstest.Handshake(path, append([]string{"Host: 127.0.0.1"}, headers...)...)
}

// socket connects a WebSocket. Said is the outcome: "101" for success.
func (a *attacker) socket(from int, path string, headers ...string) (l *line, said string) {
	l = a.dial(from, a.WS).say(handshake(path, headers...))
	return l, l.answer()
}

// open is like socket, but must succeed.
func (a *attacker) open(from int, path string, headers ...string) *line {
	a.Helper()
	l, said := a.socket(from, path, headers...)
	if said != "101" {
		a.Fatalf("the handshake on %s from %s: %s", path, a.address(from), said)
	}
	return l
}

// withToken adds a token to a path.
func withToken(path, token string) string { return path + "?access_token=" + url.QueryEscape(token) }

// message reads the next message of protocol 2. If the WebSocket has ended, over describes how.
func (l *line) message() (m wstest.Message, over string) {
	goodbye := ""
	for {
		op, payload, err := l.Frame()
		switch {
		case err != nil:
			return wstest.Message{}, ending(err)
		case op == wstest.OpClose && len(payload) < 2:
			return wstest.Message{}, "closed without a code"
		case op == wstest.OpClose:
			code := binary.BigEndian.Uint16(payload)
			return wstest.Message{}, strings.TrimSpace(fmt.Sprint("closed with ", code, " ", goodbye))
		case op != wstest.OpText:
			continue
		}
		m = wstest.Message{}
		if err := json.Unmarshal(payload, &m); err != nil {
			l.a.Errorf("%v: %s", err, payload)
		}
		if m.Goodbye == nil {
			return m, ""
		}
		goodbye = m.Goodbye.Error.Code
	}
}

// end reads until the WebSocket ends, and returns how it ended.
func (l *line) end() string {
	for {
		if _, over := l.message(); over != "" {
			return over
		}
	}
}

// reply reads until the reply with that ID, or an error without an ID. It returns "ok", the error,
// the errors of a join's channels, or how the WebSocket ended.
func (l *line) reply(id any) string {
	for {
		m, over := l.message()
		switch {
		case over != "":
			return over
		case m.Error != nil && (m.ID == nil || string(m.ID) == encodeText(id)):
			return m.Error.Code
		case m.ID != nil && string(m.ID) == encodeText(id):
			return outcome(m)
		}
	}
}

// outcome describes the reply to a request.
func outcome(m wstest.Message) string {
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

// lives returns "lives" if the WebSocket still answers, or else how it ended. It sends a ping,
// because every wire answers pings.
func (l *line) lives() string {
	l.say(wstest.Frame(wstest.Fin|wstest.OpPing, "alive?"))
	for {
		op, payload, err := l.Frame()
		switch {
		case err != nil:
			return ending(err)
		case op == wstest.OpPong && string(payload) == "alive?":
			return "lives"
		case op == wstest.OpClose && len(payload) >= 2:
			return fmt.Sprint("closed with ", binary.BigEndian.Uint16(payload))
		}
	}
}

// frames returns an attack that sends each text to a new WebSocket of either wire and counts the
// outcomes.
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

// joinOf returns a request to join a channel.
func joinOf(channel string, more string) string {
	name, _ := json.Marshal(channel)
	return `{"id":"j","join":{"channels":[{"channel":` + string(name) + more + `}]}}`
}
