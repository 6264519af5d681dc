package access

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
)

// rounds returns how many times the tests of this file repeat.
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

// transports are the transports of the actors.
var transports = map[string]func(*actor, bool) string{
	overV2: overSocket, overSSE: overEvents, overClassic: overOldWire, overHTTP: overRequests,
}

// A holding is a token or key of the actors, and the body of the request that revokes it.
type holding struct {
	token string // or key
	what  object
}

// holdings makes one token or key of each kind that can be revoked in that way. All of them belong
// to one user.
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
			case es256, byBackend: // the JWT key signs the tokens of all rounds, and no API key made the backend's token
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

// TestRevocation revokes tokens and keys while their clients connect, join, resume, publish and
// leave, without a pause and over all transports. A message published after the call has returned
// must not reach them, and none of their later requests may succeed.
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
		// Make the server ask the backend once before the revocation: a first answer after it would
		// issue the token anew and let the user in again.
		first := &v2Peer{s: s, token: h.token}
		if said := first.come(); said != "ok" {
			t.Fatalf("the first client with the backend's token: %s", said)
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
	s.until("all sessions of the revoked tokens are closed", func() bool { return len(scene.left(held, user)) == 0 })
	if how == allRevoked {
		if fate := bystander.fate(true); fate != "4300 token_revoked" {
			t.Errorf("the bystander, whose token was issued before as well: %s", fate)
		}
		bystander = &v2Peer{s: s, token: s.NewToken(object{}).Token}
		if said := bystander.do(join, user); said != "ok" {
			t.Errorf("the bystander with a later token: %s", said)
		}
	}
	bystander.awaits(scene.border + 1)
	scene.end(t)
}

// left returns the sessions of the clients that lost access. They are listed by user, except for
// the classic token, which has no user.
func (c *scene) left(held map[string]holding, user string) []string {
	c.Helper()
	names := c.sessions("user=" + user)
	var active struct{ Tokens []string }
	c.Must("GET", "/token/", nil, &active)
	if token := held[classical].token; token != "" && slices.Contains(active.Tokens, token) {
		names = append(names, "a session of the classic token")
	}
	return names
}

// awaits waits for a number, or a higher one.
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

// TestRulesTakenMeanwhile takes one of two channels away from a token while its clients connect,
// resume and leave.
func TestRulesTakenMeanwhile(t *testing.T) {
	for range 5 * rounds(t) { // a round is short
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
