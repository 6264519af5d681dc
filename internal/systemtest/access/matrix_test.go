package access

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// A cell is one verb over one transport, with one kind of token or key in one state.
type cell struct {
	s                            *site
	transport, verb, kind, state string

	name          string // the prefix of its channels, and its user
	life          time.Duration
	shown, second string // tokens or key; the second token is for the refresh
	id, key       string // ID of the token or key, and that of the key that made it
	ends          time.Time
	peer          peer
	first, out    string
}

func randomName() string { return strings.ToLower(rand.Text()[:12]) }

func (c *cell) channel() string { return c.name + ".a" }

// asked returns the verb that a rule must allow for the cell's own verb. Verbs that join also need "join".
func (c *cell) asked() string {
	return map[string]string{join: "join", last: "history", publish: "publish", history: "history", presents: "presence", watch: "presence"}[c.verb]
}

// rules returns the rules of the cell's token.
func (c *cell) rules(state string) []object {
	all, others := []string{"join", "publish", "history", "presence"}, []string{}
	for _, verb := range all {
		if verb != c.asked() {
			others = append(others, verb)
		}
	}
	mine := []string{c.name + ".*"}
	switch state {
	case denied:
		return []object{{"channels": mine, "allow": all}, {"channels": []string{c.channel()}, "deny": []string{c.asked()}}}
	case noRule:
		return []object{{"channels": mine, "allow": others}, {"channels": []string{"other.*"}, "allow": all}}
	}
	return []object{{"channels": mine, "allow": all}}
}

// make makes the cell's token or key.
func (c *cell) make() {
	c.name = randomName()
	c.s.publish(c.channel(), before)
	c.s.publish(c.name+".b", before)
	switch c.state {
	case ends, refreshed, expired:
		c.ends = time.Now().Add(c.life)
		c.s.Progress(c.ends)
	default:
		c.ends = time.Now().Add(time.Hour)
	}
	switch c.kind {
	case opaque:
		maker := c.maker("tokens")
		token := object{"user": c.name, "rules": c.rules(c.state), "expires": c.ends.UTC().Format(time.RFC3339Nano)}
		m := c.s.NewTokenBy(maker, token)
		c.shown, c.id = m.Token, m.ID
		delete(token, "expires")
		if c.state == refreshed {
			c.second = c.s.NewToken(token).Token
		}
	case classical:
		c.shown = c.s.NewClassic(c.maker("tokens"))
	case hs256, es256:
		sign := map[string]func(object) string{hs256: c.s.Issuer.HS256, es256: c.s.Issuer.ES256}[c.kind]
		c.key = map[string]string{hs256: issuer.HS256Key, es256: issuer.ES256Key}[c.kind]
		if c.state == expired {
			c.ends = time.Now().Add(-time.Second)
		}
		claims := issuer.Claims(object{"sub": c.name, "exp": float64(c.ends.UnixMilli()) / 1000, "boreas": c.rules(c.state)})
		c.shown = sign(claims)
		claims["exp"] = time.Now().Add(time.Hour).Unix()
		c.second = sign(claims)
	case byBackend:
		c.shown, c.second = "theirs-"+c.name, "theirs-too-"+c.name
		said := object{"user": c.name, "rules": c.rules(c.state), "ttl": time.Until(c.ends).Seconds()}
		if c.state != expired {
			c.s.Backend.Accept(c.shown, said)
		}
		c.s.Backend.Accept(c.second, object{"user": c.name, "rules": c.rules(c.state)})
	case apiKey:
		c.makeKey()
	}
}

// maker returns a key that makes the cell's token, if that key is to be revoked.
func (c *cell) maker(verb string) string {
	if c.state != keyRevoked {
		return c.s.Admin
	}
	k := c.s.NewKey(object{"name": c.name, "verbs": []string{verb}})
	c.key = k.ID
	return k.Key
}

func (c *cell) makeKey() {
	verbs, channel := map[string][]string{publish: {"publish"}}[c.verb], c.name+".*"
	if verbs == nil {
		verbs = []string{"sessions"}
	}
	switch c.state {
	case denied: // its verbs do not include the one needed
		verbs = []string{"stats"}
	case noRule: // it is for other channels
		channel = "other.*"
	}
	k := c.s.NewKey(object{"name": c.name, "verbs": verbs, "channels": []string{channel}, "expires": c.ends.UTC().Format(time.RFC3339Nano)})
	c.shown, c.id, c.key = k.Key, k.ID, k.ID
}

func (c *cell) newPeer() peer {
	switch c.transport {
	case overClassic:
		return &classicPeer{s: c.s, token: c.shown}
	case overV2:
		return &v2Peer{s: c.s, token: c.shown}
	case overSSE:
		return &ssePeer{s: c.s, token: c.shown}
	default:
		return &httpPeer{s: c.s, token: c.shown}
	}
}

// begin makes the token or key, waits for its expiry if the state is expired, and does the verb. If
// a slow machine lets it expire too early, begin starts again with a longer TTL.
func (c *cell) begin() {
	for c.life = 2 * time.Second; ; c.life *= 2 {
		c.make()
		if c.state == expired {
			c.witnessed(time.Millisecond)
		}
		c.peer = c.newPeer()
		c.first = c.peer.do(c.verb, c.channel())
		if c.state == refreshed && c.first == "ok" {
			c.first = c.peer.(*v2Peer).show(c.second)
		}
		if c.state == expired || c.first == "ok" || time.Now().Before(c.ends) || c.life > patience {
			return
		}
		c.peer.close()
	}
}

// witnessed returns once the server has noticed the expiry of a token that expires this long after
// the cell's. The server checks each session once a second.
func (c *cell) witnessed(after time.Duration) {
	end := c.ends.Add(after)
	for life := 2 * time.Second; time.Now().Before(end); life *= 2 {
		said := c.witness(end)
		if said == "ok" {
			return
		}
		if time.Now().Before(end) {
			c.s.Errorf("a witness could not connect: %s", said)
			return
		}
		end = time.Now().Add(life) // the witness's token had expired before it connected
	}
}

// witness connects with a token that expires at that time, and waits until the server closes the
// session.
func (c *cell) witness(end time.Time) string {
	c.s.Progress(end)
	a := c.s.Ask(c.s.Admin, "POST", "/v2/tokens", object{"expires": end.UTC().Format(time.RFC3339Nano)})
	if said := a.Code(); said != "ok" {
		return said
	}
	var m made
	if err := json.Unmarshal(a.Body, &m); err != nil {
		return err.Error()
	}
	witness := &v2Peer{s: c.s, token: m.Token}
	defer witness.close()
	said := witness.come()
	if said == "ok" {
		witness.fate(true)
	}
	return said
}

// change brings the cell into its state.
func (c *cell) change() {
	switch c.state {
	case ends:
		if c.transport == overHTTP {
			c.witnessed(10 * time.Millisecond)
		}
	case tokenRevoked:
		c.revoke(object{"token": c.shown})
	case userRevoked:
		c.revoke(object{"user": c.name})
	case keyRevoked:
		c.revoke(object{"key": c.key})
	case rulesChanged:
		c.s.Must("PATCH", "/v2/tokens/"+c.id, object{"rules": c.rules(denied)}, nil)
	case refreshed:
		c.witnessed(1500 * time.Millisecond)
	}
}

func (c *cell) revoke(what object) { c.s.Must("POST", "/v2/revocations", what, nil) }

// finish records the outcome.
func (c *cell) finish() {
	defer c.peer.close()
	switch c.state {
	case allowed, denied, noRule, expired:
		c.out = c.first
	case refreshed:
		lives := c.peer.fate(false)
		c.out = strings.Join([]string{c.first, lives, c.peer.do(c.verb, c.name+".b")}, ", ")
	default:
		fate := c.peer.fate(c.state == ends)
		once := c.newPeer()
		defer once.close()
		c.out = strings.Join(nonEmpty(c.first, fate, once.do(c.verb, c.channel())), ", ")
	}
}

// each runs one step of all cells, a limited number at a time.
func each(cells []*cell, step func(*cell)) {
	const atOnce = 32
	var running sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for _, c := range cells {
		turns <- struct{}{}
		running.Go(func() {
			defer func() { <-turns }()
			step(c)
			c.s.Progress(time.Now())
		})
	}
	running.Wait()
}

// cellsOf returns the cells of one state, which have a server of their own.
func cellsOf(s *site, state string) (cells []*cell) {
	for _, transport := range []string{overClassic, overV2, overSSE, overHTTP} {
		for _, verb := range verbsOf[transport] {
			for _, kind := range kinds {
				cells = append(cells, &cell{s: s, transport: transport, verb: verb, kind: kind, state: state, out: impossible(transport, kind, state)})
			}
		}
	}
	return cells
}

// TestMatrix tries every verb over every transport with every kind of token and key in every state,
// and compares the outcomes with the oracle's table.
func TestMatrix(t *testing.T) {
	var all []*cell
	var group sync.WaitGroup
	for _, state := range states {
		s := newSite(t, nil)
		cells := cellsOf(s, state)
		all = append(all, cells...)
		group.Go(func() { runState(s, state, cells) })
	}
	group.Wait()

	n := 0
	for _, c := range all {
		if impossible(c.transport, c.kind, c.state) == "" {
			n++
		}
	}
	got := lines(all, func(c *cell) string { return c.out })
	want := lines(all, func(c *cell) string { return expect(c.transport, c.verb, c.kind, c.state) })
	t.Logf("%d cells, and %d impossible ones:\n%s", n, len(all)-n, table(got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the matrix (-oracle +server):\n%s", diff)
	}
}

func runState(s *site, state string, cells []*cell) {
	var possible []*cell
	for _, c := range cells {
		if c.out == "" {
			possible = append(possible, c)
		}
	}
	each(possible, (*cell).begin)
	if state == allRevoked {
		s.Must("POST", "/v2/revocations", object{"issued_before": time.Now().UTC().Format(time.RFC3339Nano)}, nil)
	}
	each(possible, (*cell).change)
	each(possible, (*cell).finish)
}

// lines returns a line for each transport, verb and state.
func lines(cells []*cell, of func(*cell) string) (all []string) {
	all = append(all, "transport\tverb\tstate\t"+strings.Join(kinds, "\t"))
	for i, c := range cells {
		if i%len(kinds) == 0 {
			all = append(all, c.transport+"\t"+c.verb+"\t"+c.state)
		}
		all[len(all)-1] += "\t" + of(c)
	}
	return all
}

func table(lines []string) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	w.Flush()
	return b.String()
}
