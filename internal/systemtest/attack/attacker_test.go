package attack

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// An attacker is one machine, or a crowd of machines, that may send anything.
type attacker struct {
	*site
	number int // of the attack: each has its own addresses, so that limits do not carry over

	mu    sync.Mutex
	lines []*line // guarded by mu
}

// address returns one of the attacker's addresses, from 0 to 999.
func (a *attacker) address(i int) string {
	return fmt.Sprintf("127.%d.%d.%d", 64+i/250, a.number, 1+i%250)
}

// tokenOf makes a token that lets its user do everything. The user is this attack's alone.
func (a *attacker) tokenOf(user string) string {
	a.Helper()
	return a.site.tokenOf(fmt.Sprint(user, a.number))
}

// leave closes all connections of the attacker.
func (a *attacker) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lines {
		l.Close()
	}
	a.lines = nil
}

// A line is one of the attacker's connections.
type line struct {
	*wstest.Conn
	a *attacker
}

// dial connects from one of the attacker's addresses.
func (a *attacker) dial(from int, to string) *line { return a.dialAs(a.address(from), to) }

func (a *attacker) dialAs(address, to string) *line {
	a.Helper()
	c, err := whole.DialerFrom(address).DialContext(a.Ctx, "tcp", to)
	if err != nil {
		a.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	l := &line{wstest.New(c), a}
	a.mu.Lock()
	a.lines = append(a.lines, l)
	a.mu.Unlock()
	return l
}

// say sends text. An error is ignored: the next read reports a closed connection.
func (l *line) say(text string) *line {
	io.WriteString(l, text) //nolint:errcheck // see above
	return l
}

// reset ends the connection with a RST, like a machine that is switched off.
func (l *line) reset() {
	l.Conn.Conn.(*net.TCPConn).SetLinger(0)
	l.Close()
}

// answer reads one response, and returns its status and the code of its error, if any.
func (l *line) answer() string {
	said, _ := l.answered()
	return said
}

func (l *line) answered() (said string, response *http.Response) {
	said, response, _ = l.whole()
	return said, response
}

// whole reads one response with its body. The response is nil if there is none.
func (l *line) whole() (said string, response *http.Response, body []byte) {
	response, err := http.ReadResponse(l.In, nil)
	if err != nil {
		return ending(err), nil, nil
	}
	if response.StatusCode == http.StatusOK && strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return "200 stream", response, nil
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		return fmt.Sprint(response.StatusCode, " without the body"), response, body // to a HEAD
	}
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", whole.CodeOf(body))), response, body
}

// ending describes how a connection ended.
func ending(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "silence"
	}
	return "cut"
}

// rest reads to the end of the connection, and returns how it ended.
func (l *line) rest() string {
	if _, err := io.Copy(io.Discard, l.In); err != nil {
		return ending(err)
	}
	return "cut"
}

// lines ends each line of a request as HTTP does, and adds the empty line.
func lines(list ...string) string { return strings.Join(list, "\r\n") + "\r\n\r\n" }

// get returns a GET request with headers.
func get(target string, headers ...string) string { return ask("GET", target, "", headers...) }

// ask returns a request with a body, and adds a Host header.
func ask(method, target, body string, headers ...string) string {
	head := append([]string{method + " " + target + " HTTP/1.1", "Host: 127.0.0.1"}, headers...)
	if body != "" || method == "POST" {
		head = append(head, fmt.Sprint("Content-Length: ", len(body)))
	}
	return lines(head...) + body
}

func bearer(token string) string { return "Authorization: Bearer " + token }

// The ports, for rows that consist of one request.
func toAPI(a *attacker) string     { return a.API }
func toSockets(a *attacker) string { return a.WS }

// request returns an attack that sends each text on its own connection and counts the outcomes.
func request(to func(*attacker) string, texts ...string) func(*attacker) string {
	return func(a *attacker) string {
		got := make(tally)
		for _, text := range texts {
			got.add(a.dial(0, to(a)).say(text).answer())
		}
		return got.String()
	}
}

// pipelined returns an attack that sends one text on one connection and reads this many responses.
func pipelined(to func(*attacker) string, text string, answers int) func(*attacker) string {
	return func(a *attacker) string {
		l := a.dial(0, to(a)).say(text)
		var got []string
		for range answers {
			got = append(got, l.answer())
		}
		return strings.Join(got, ", ")
	}
}

// A tally counts outcomes.
type tally map[string]int

func (t tally) add(said string) { t[said]++ }

// String lists the outcomes, each with its count if it is more than 1.
func (t tally) String() string {
	var list []string
	for _, said := range slices.Sorted(maps.Keys(t)) {
		if n := t[said]; n > 1 {
			said = fmt.Sprint(n, " x ", said)
		}
		list = append(list, said)
	}
	return cmp.Or(strings.Join(list, ", "), "nothing")
}

// kinds lists the outcomes without their counts, for attacks in which a limit by time decides.
func (t tally) kinds() string { return strings.Join(slices.Sorted(maps.Keys(t)), ", ") }

// turns records outcomes in their order: "20 x 401, then 429".
type turns struct {
	last string
	n    int
	list []string
}

func (t *turns) add(said string) {
	if said != t.last {
		t.flush()
	}
	t.last = said
	t.n++
}

func (t *turns) flush() {
	switch {
	case t.n > 1:
		t.list = append(t.list, fmt.Sprint(t.n, " x ", t.last))
	case t.n == 1:
		t.list = append(t.list, t.last)
	}
	t.n = 0
}

func (t *turns) String() string {
	t.flush()
	return strings.Join(t.list, ", then ")
}
