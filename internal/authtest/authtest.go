// Package authtest tests what several authorities expect of the [auth.Store] that they share.
package authtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// A Run runs a test on an empty log. Open returns another store on this log.
type Run func(t *testing.T, test func(t *testing.T, open func() auth.Store))

// TestStore runs all tests.
func TestStore(t *testing.T, run Run) {
	for name, test := range map[string]func(*testing.T, Run){
		"shared": shared, "revocations": revocations, "conflicts": conflicts,
		"conflicts reach sessions": conflictsReachSessions, "many conflicts": manyConflicts,
	} {
		t.Run(name, func(t *testing.T) { test(t, run) })
	}
}

// settleTimeout bounds the wait until one authority has the changes of another.
const settleTimeout = time.Minute

// inPair runs a test with two authorities on one store. In the end all have the same content, and so
// has an authority that opens later.
func inPair(t *testing.T, run Run, test func(t *testing.T, a, b *node)) {
	run(t, func(t *testing.T, open func() auth.Store) {
		a, b := newNode(t, open()), newNode(t, open())
		a.other, b.other = b, a
		test(t, a, b)
		a.settle(t)
		want := content(a.Authority)
		if diff := cmp.Diff(want, content(b.Authority)); diff != "" {
			t.Errorf("the authorities differ (-a +b):\n%s", diff)
		}
		if diff := cmp.Diff(want, content(newNode(t, open()).Authority)); diff != "" {
			t.Errorf("an authority that opens later differs (-a +c):\n%s", diff)
		}
	})
}

// content returns everything that an authority shows.
func content(a *auth.Authority) string {
	tokens, more := a.Tokens("", "", 1000)
	text := fmt.Sprintf("%d revocations\n", a.Revocations())
	for _, token := range tokens {
		rules := auth.AppendRules(nil, token.Rules)
		token.Rules = nil
		text += fmt.Sprintf("%+v %s\n", token, rules)
	}
	for _, key := range a.Keys() {
		key.LastUsed = time.Time{} // it may be lost
		text += fmt.Sprintf("%+v\n", key)
	}
	return text + fmt.Sprint(more)
}

// A hooked store calls a function before an Append.
type hooked struct {
	auth.Store
	before func() // called once before the next Append
}

func (s *hooked) Append(ctx context.Context, after uint64, lines ...[]byte) (uint64, error) {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	return s.Store.Append(ctx, after, lines...)
}

// Current implements [auth.Fence].
func (s *hooked) Current() error {
	if f, ok := s.Store.(auth.Fence); ok {
		return f.Current()
	}
	return nil
}

// A node is an authority with the sessions on its server.
type node struct {
	*auth.Authority
	store *hooked
	other *node

	mu       sync.Mutex
	sessions []*access.Grant
	events   []string
}

func newNode(t *testing.T, s auth.Store) *node {
	t.Helper()
	n := &node{store: &hooked{Store: s}}
	a, err := auth.Open(auth.Options{Store: n.store, MaxKeys: 10})
	if err != nil {
		t.Fatal(errors.Join(err, s.Close()))
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	n.Authority = a
	a.Attach(n)
	return n
}

// settle returns when each of the two nodes has the changes of the other.
func (n *node) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	for _, pair := range [][2]*node{{n, n.other}, {n.other, n}} {
		if _, err := pair[0].ApplyUpTo(ctx, pair[1].Position(), ""); err != nil {
			t.Fatal(err)
		}
	}
}

// hold makes the grants those of the node's sessions.
func (n *node) hold(grants ...*access.Grant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sessions = grants
}

// RevokeSessions implements [auth.Sessions].
func (n *node) RevokeSessions(match func(*access.Grant) bool, grace time.Duration) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := len(n.sessions)
	n.sessions = slices.DeleteFunc(n.sessions, func(g *access.Grant) bool {
		if match(g) {
			n.events = append(n.events, fmt.Sprintf("%s is cut, with a grace of %v", g.User, grace))
			return true
		}
		return false
	})
	return before - len(n.sessions)
}

// Regrant implements [auth.Sessions].
func (n *node) Regrant(g *access.Grant) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, fmt.Sprintf("%s is regranted %s", g.User, auth.AppendRules(nil, g.Permissions)))
	for i, old := range n.sessions {
		if old.TokenID == g.TokenID {
			n.sessions[i] = g
		}
	}
	return 1
}

// took returns the events since the last call.
func (n *node) took(t *testing.T) []string {
	t.Helper()
	n.settle(t)
	n.mu.Lock()
	defer n.mu.Unlock()
	events := n.events
	n.events = nil
	return events
}

// rules parses rules, which must be valid.
func rules(t *testing.T, text string) *access.Permissions {
	t.Helper()
	p, err := auth.ParseRules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mint(t *testing.T, a *auth.Authority) string {
	t.Helper()
	token, err := a.Mint("")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// create creates an opaque token.
func create(t *testing.T, a *auth.Authority, token auth.Token) (text string, made auth.Token) {
	t.Helper()
	text, made, err := a.CreateToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return text, made
}

func createKey(t *testing.T, a *auth.Authority, key auth.Key) (text string, made auth.Key) {
	t.Helper()
	text, made, err := a.CreateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return text, made
}

func revoke(t *testing.T, a *auth.Authority, r auth.Revocation) func(*access.Grant) bool {
	t.Helper()
	match, err := a.Revoke(r)
	if err != nil {
		t.Fatalf("revoke %+v: %v", r, err)
	}
	return match
}

// grant returns the grant of a token, which must be valid.
func grant(t *testing.T, a *auth.Authority, text string) *access.Grant {
	t.Helper()
	g, err := a.Check(access.Credentials{Token: text})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// verdict returns "valid" if Check accepts a token, and otherwise the code of the error.
func verdict(a *auth.Authority, text string) string {
	if _, err := a.Check(access.Credentials{Token: text}); err != nil {
		return fault.Of(err).Code
	}
	return "valid"
}
