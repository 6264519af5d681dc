package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

const (
	// maxAnswer is the maximum size of the backend's answer, in bytes. maxMessage is the maximum size of
	// its message, which the client gets.
	maxAnswer  = 64 << 10
	maxMessage = 300

	// withoutTTL is how long an answer without a ttl is cached, and refusedFor a refusal.
	withoutTTL = 10 * time.Second
	refusedFor = 2 * time.Second

	maxTTL = 366 * 24 * time.Hour
)

// An answer is what the backend said about a token. It is immutable.
type answer struct {
	grant   *access.Grant
	refusal error     // a fault; nil if there is a grant
	until   time.Time // when it has to be asked for again
}

// askFor finds the answer to a question, and wakes all checks that wait for it.
func (b *Backend) askFor(q *question, key backendKey, c access.Credentials, header http.Header) {
	defer func() {
		b.mu.Lock()
		delete(b.asked, key)
		b.mu.Unlock()
		close(q.done)
	}()
	q.err = fault.AuthUnavailable // also if the following code panics
	leave, err := b.enter(c.Address)
	if err != nil {
		q.err = err
		return
	}
	defer leave()
	epoch, ok := b.circuit.ask(time.Now())
	if !ok {
		q.err = fault.AuthUnavailable.With("The backend that checks the token does not answer at the moment.")
		return
	}
	said, err := b.ask(c, header)
	now := time.Now()
	b.circuit.done(epoch, now, err) // once, even if the request was sent twice
	if err != nil {
		if n := b.invalid.Add(); n > 0 {
			b.options.Log.Warn("the backend gave an invalid answer about a token", "url", b.name, "err", err, "more_of_these", n-1)
		}
		q.err = fault.AuthUnavailable.With("The backend that checks the token gave an invalid answer.")
		return
	}
	q.answer, q.err = said, nil
	if said.refusal != nil {
		// There is no older grant to delete, because the backend is asked only after the older grant
		// has expired.
		b.refused.put(key[:], said)
	} else {
		b.granted.put(key[:], said)
	}
}

// enter waits for a turn. Both the time and the queue are bounded. The error is a fault.
func (b *Backend) enter(address netip.Addr) (leave func(), err error) {
	if b.circuit.broken(time.Now()) {
		return nil, fault.AuthUnavailable.With("The backend that checks the token does not answer at the moment.")
	}
	leave, ok := b.turns.enter(b.ctx, address, b.options.Timeout)
	switch {
	case ok:
		return leave, nil
	case b.ctx.Err() != nil:
		return nil, fault.AuthUnavailable.With("The server is shutting down.")
	}
	return nil, fault.AuthUnavailable.With("Too many tokens are waiting for the backend's answer.")
}

// ask asks the backend. Its errors reveal nothing about the token.
func (b *Backend) ask(c access.Credentials, header http.Header) (answer, error) {
	body := []byte(`{"token":`)
	body, _ = jsontext.AppendQuote(body, c.Token) // it is UTF-8
	body = append(body, `,"address":`...)
	body, _ = jsontext.AppendQuote(body, addressText(c.Address))
	body = append(body, '}')
	request, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.options.URL, bytes.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the URL is not valid")
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	// The backend decides at some time between this moment and its answer. The answer counts as
	// issued now, so that a revocation in between also revokes it.
	when := asked{at: time.Now(), serial: b.serial()}
	response, err := b.client.Do(request)
	if err != nil {
		return answer{}, unreachable{withoutURL(err)}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, unreachable{withoutURL(err)}
	}
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return answer{refusal: fault.InvalidToken.With(refusalMessage(text)), until: when.at.Add(refusedFor)}, nil
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable ||
		status == http.StatusGatewayTimeout || status == http.StatusTooManyRequests:
		return answer{}, unreachable{fmt.Errorf("it answered %d", status)}
	case status != http.StatusOK:
		return answer{}, fmt.Errorf("it answered %d: want 200, 401 or 403", status)
	case len(text) > maxAnswer:
		return answer{}, fmt.Errorf("it answered more than %d bytes", maxAnswer)
	}
	return b.read(c.Token, text, when)
}

// asked is the time when a request was sent, by the clock and in the order of the authority's
// changes, which does not depend on the clock.
type asked struct {
	at     time.Time
	serial uint64
}

// read reads an answer of status 200.
func (b *Backend) read(token string, text []byte, when asked) (answer, error) {
	members, ok := object(text)
	if !ok {
		return answer{}, errors.New("its answer is not a JSON object, or has a member twice")
	}
	for name := range members {
		if name != "user" && name != "rules" && name != "ttl" && name != "info" {
			return answer{}, fmt.Errorf("its answer has the unknown member %.40q: the known ones are user, rules, ttl, info", name)
		}
	}
	user, ok := stringOf(members["user"])
	if !ok {
		return answer{}, errors.New("the user in its answer is missing, or is not a string")
	}
	if err := access.ValidUser(user); err != nil {
		return answer{}, fmt.Errorf("its answer: %w", err)
	}
	var permissions *access.Permissions // without rules, everything is allowed
	if rules, there := members["rules"]; there {
		if rules.Kind() != '[' {
			return answer{}, errors.New("the rules in its answer are not a list: omit them to allow everything")
		}
		p, err := b.rules.parse(rules)
		if err != nil {
			return answer{}, fmt.Errorf("its answer: %w", err)
		}
		permissions = p.For(user)
	}
	info, err := boreas.NewInfo(members["info"])
	if err != nil {
		return answer{}, fmt.Errorf("the info in its answer is %s", whyNoInfo(err))
	}
	id := backendID(token)
	a := answer{
		grant: &access.Grant{
			Identity: id, TokenID: id, Kind: "backend",
			User: user, HasUser: true, Issued: when.at, Serial: when.serial, Info: info, Permissions: permissions,
		},
		until: when.at.Add(withoutTTL),
	}
	if v, there := members["ttl"]; there {
		seconds, err := strconv.ParseFloat(string(v), 64)
		if v.Kind() != '0' || err != nil || !(seconds > 0 && seconds <= maxTTL.Seconds()) {
			return answer{}, fmt.Errorf("the ttl in its answer is not a number of seconds above 0 and up to %.0f", maxTTL.Seconds())
		}
		ttl := time.Duration(seconds * float64(time.Second))
		a.grant.Expires = when.at.Add(ttl)
		a.until = when.at.Add(ttl / 2) // so that presenting the token again yields a longer one
	}
	return a, nil
}

// refusalMessage returns the message for a client whose token the backend refuses.
func refusalMessage(text []byte) string {
	const none = "The backend refuses the token."
	if len(text) > maxAnswer {
		return none
	}
	members, _ := object(text)
	message, _ := stringOf(members["message"])
	message = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, message))
	if message == "" {
		return none
	}
	for len(message) > maxMessage {
		_, size := utf8.DecodeLastRuneInString(message)
		message = message[:len(message)-size]
	}
	return message
}
