package access

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/internal/systemtest/issuer"
)

// rounds is how often each test of this file does it all.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("REVOCATION_ROUNDS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("REVOCATION_ROUNDS is %q: want a number from 1", text)
	}
	return n
}

// transports are the ways in which actors come.
var transports = map[string]func(*actor, bool) string{
	overV2: overSocket, overSSE: overEvents, overClassic: overOldWire, overHTTP: overRequests,
}

// A holding is what actors have, and what it is to be revoked by.
type holding struct {
	token string // or key
	what  object
}

// holdings makes one of each kind that can be revoked in that way. They are one user's.
func holdings(s *site, how, user string) map[string]holding {
	key := s.NewKey(object{"name": user, "verbs": []string{"tokens", "publish"}})
	claims := issuer.Claims(object{"sub": user, "iat": float64(time.Now().UnixMilli()+1) / 1000, "boreas": everything, "jti": randomName()})
	m := s.NewTokenBy(key.Key, object{"user": user})
	s.Backend.Accept("theirs-"+user, object{"user": user, "ttl": 3600})
	all := map[string]holding{
		opaque:    {token: m.Token},
		classical: {token: s.NewClassic(key.Key)},
		hs256:     {token: issuer.HS256(s.Issuer.Secret, object{"alg": "HS256", "kid": "hs-" + user}, claims)},
		es256:     {token: s.Issuer.ES256(claims)},
		byBackend: {token: "theirs-" + user},
		apiKey:    {token: key.Key},
	}
	for kind, h := range all {
		switch how {
		case tokenRevoked:
			h.what = object{"token": h.token}
			if kind == apiKey {
				h.what = nil
			}
		case userRevoked:
			h.what = object{"user": user}
			if kind == apiKey || kind == classical {
				h.what = nil
			}
		case keyRevoked:
			h.what = object{"key": key.ID}
			switch kind {
			case hs256:
				h.what = object{"key": "hs-" + user}
			case es256, byBackend: // the key has signed those of all rounds; no key has made it
				h.what = nil
			}
		case allRevoked:
			h.what = object{}
			if kind == apiKey {
				h.what = nil
			}
		}
		if h.what == nil {
			delete(all, kind)
		} else {
			all[kind] = h
		}
	}
	return all
}

var everything = []object{{"channels": []string{"**"}, "allow": []string{"join", "publish", "history", "presence"}}}

// TestRevocation takes tokens and keys back while those who have them come, join, go on
// where they were, publish and go, without a pause and over all transports. What is
// published after the call has returned reaches none of them, and nothing that they do
// then is done.
func TestRevocation(t *testing.T) {
	for _, how := range []string{tokenRevoked, userRevoked, keyRevoked, allRevoked} {
		t.Run(how, func(t *testing.T) {
			for range rounds(t) {
				t.Run("", func(t *testing.T) { revokeAmidst(t, newSite(t, nil), how) })
			}
		})
	}
}

func revokeAmidst(t *testing.T, s *site, how string) {
	user := randomName()
	scene := newScene(s, user)
	held := holdings(s, how, user)
	if h, ok := held[byBackend]; ok {
		// The server asks the backend once, before the revocation: a later answer would let the
		// user in again.
		first := &v2Peer{s: s, token: h.token}
		if said := first.come(); said != "ok" {
			t.Fatalf("the first one with the backend's token: %s", said)
		}
		first.close()
	}
	for kind, h := range held {
		for transport, once := range transports {
			if kind != apiKey || transport == overHTTP {
				scene.act(kind, transport, h.token, once, refusedToken)
			}
		}
	}
	bystander := &v2Peer{s: s, token: s.NewToken(object{}).Token}
	defer func() { bystander.close() }()
	if said := bystander.do(join, user); said != "ok" {
		t.Errorf("the bystander: %s", said)
	}
	scene.busy(int64(len(held)) + rand.Int64N(int64(4*len(held))))

	for _, h := range held {
		what := h.what
		if how == allRevoked {
			what = object{"issued_before": time.Now().UTC().Format(time.RFC3339Nano)}
		}
		s.Must("POST", "/v2/revocations", what, nil)
	}
	scene.hasBeenTaken()
	s.until("none of its sessions is left", func() bool { return len(scene.left(held, user)) == 0 })
	if how == allRevoked {
		if fate := bystander.fate(true); fate != "4300 token_revoked" {
			t.Errorf("whose token was issued before, too: %s", fate)
		}
		bystander = &v2Peer{s: s, token: s.NewToken(object{}).Token}
		if said := bystander.do(join, user); said != "ok" {
			t.Errorf("the bystander with a later token: %s", said)
		}
	}
	bystander.awaits(scene.border + 1)
	scene.end(t)
}

// left lists the sessions of those whose access was taken. They have the user's name, but
// for those of the classic token.
func (c *scene) left(held map[string]holding, user string) []string {
	c.Helper()
	names := c.sessions("user=" + user)
	var active struct{ Tokens []string }
	c.Must("GET", "/token/", nil, &active)
	if token := held[classical].token; token != "" && slices.Contains(active.Tokens, token) {
		names = append(names, "one of the classic token")
	}
	return names
}

// awaits waits for a number.
func (p *v2Peer) awaits(number int64) {
	for {
		f, err := p.read()
		if err != nil {
			p.s.Errorf("a bystander's session ended: %s", p.end)
			return
		}
		if n, _ := strconv.ParseInt(string(f.Message), 10, 64); n >= number {
			return
		}
	}
}

// TestRulesTakenMeanwhile takes one of two channels away from a token while who has it
// comes, goes on where it was, and goes.
func TestRulesTakenMeanwhile(t *testing.T) {
	for range 5 * rounds(t) { // they are short
		t.Run("", takeRules)
	}
}

func takeRules(t *testing.T) {
	s, name := newSite(t, nil), randomName()
	keeps, loses := name+".keeps", name+".loses"
	scene := newScene(s, keeps, loses)
	rules := func(channels ...string) object {
		return object{"rules": []object{{"channels": channels, "allow": []string{"join", "publish"}}}}
	}
	m := s.NewToken(rules(keeps, loses))
	told := func(outcome string) bool { return outcome == "not_permitted" || outcome == "ok" }
	for range 3 {
		scene.act(opaque, overV2, m.Token, overSocket, told)
		scene.act(opaque, overSSE, m.Token, overEvents, told)
	}
	scene.act(opaque, overClassic, m.Token, overOldWire, told)
	scene.act(opaque, overHTTP, m.Token, overRequests, func(outcome string) bool { return outcome == "not_permitted" })
	scene.busy(4 + rand.Int64N(20))
	s.Must("PATCH", "/v2/tokens/"+m.ID, rules(keeps), nil)
	scene.hasBeenTaken()
	scene.end(t)
}
