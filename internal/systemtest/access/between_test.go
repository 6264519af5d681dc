package access

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/internal/systemtest/issuer"
	whole "github.com/boreas-pubsub/boreas/v2/internal/systemtest/site"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/sse"
	"github.com/boreas-pubsub/boreas/v2/ws"
)

// A stage is a site whose parts are put together as the server does, with two places where a test
// can act once: after a token was accepted, and before a join reads its missed messages.
type stage struct {
	*site
	checked, reading atomic.Pointer[func()]
}

func once(p *atomic.Pointer[func()]) {
	if act := p.Swap(nil); act != nil {
		(*act)()
	}
}

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{site: &site{Site: whole.WithoutServer(t, "")}}
	jwt, err := auth.NewJWT(auth.JWTOptions{Keys: []string{"hs256:" + s.Issuer.File, s.Issuer.URL}, Issuer: issuer.Name, Audience: issuer.Audience})
	if err != nil {
		t.Fatal(err)
	}
	backend, err := auth.NewBackend(auth.BackendOptions{URL: s.Backend.URL})
	if err != nil {
		t.Fatal(err)
	}
	authority, err := auth.Open(auth.Options{JWT: jwt, Backend: backend})
	if err != nil {
		t.Fatal(err)
	}
	eng := &boreastest.Between{
		Engine:     memory.New(memory.Options{}),
		BeforeRead: func(string) { once(&s.reading) },
	}
	var rules *boreas.Rules
	rules = rules.Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull, ClientPublish: true, Retention: engine.Retention{Messages: 100}})
	hub := boreas.New(boreas.Options{Engine: eng, Valid: authority.Valid, Rules: rules})
	check := func(c access.Credentials) (*access.Grant, error) {
		g, err := authority.Check(c)
		if err == nil {
			once(&s.checked)
		}
		return g, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v2", ws.Handler(hub, ws.Options{Check: check}))
	mux.Handle("/", ws.Classic(hub, ws.Options{Check: check}))
	mux.Handle(sse.Path, sse.Handler(hub, sse.Options{Check: check}))
	subscribers := httptest.NewServer(mux)
	operator := httptest.NewServer(api.Handler(hub, api.Options{Authority: authority, Loopback: true}))
	t.Cleanup(func() {
		hub.Shutdown(context.Background(), 0) //nolint:errcheck // without sessions there is nothing to wait for
		s.Client.CloseIdleConnections()
		subscribers.Close()
		operator.Close()
		authority.Close()
		eng.Close()
	})
	s.API, s.WS = operator.Listener.Addr().String(), subscribers.Listener.Addr().String()
	s.NewAdmin()
	return s
}

// ways are the ways in which these tests take access away.
var ways = []string{tokenRevoked, userRevoked, keyRevoked, allRevoked, rulesChanged}

// TestRevocationBetweenSteps revokes access at three moments: while the backend's answer, which accepts
// the token, is under way; just after the token was accepted; and just before a join reads the
// messages that its session has missed. On every transport, the client receives nothing.
func TestRevocationBetweenSteps(t *testing.T) {
	for _, when := range []string{"decided", "checked", "reading"} {
		for _, how := range ways {
			t.Run(when+", "+how, func(t *testing.T) {
				got, want := map[string]string{}, map[string]string{}
				for _, transport := range []string{overV2, handshake, overSSE, overClassic} {
					if when == "reading" && transport == overClassic { // the classic wire reads no history
						continue
					}
					for _, kind := range kinds[:5] {
						if impossible(transport, kind, how) != "" || when == "decided" && kind != byBackend {
							continue
						}
						name := kind + " over " + transport
						got[name] = newStage(t).taken(when, how, transport, kind)
						want[name] = takenBetween(when, how, transport)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// handshake is protocol 2 with the token in the handshake.
const handshake = "protocol 2, handshake"

// taken revokes the access of a client in between, and returns the outcome.
func (s *stage) taken(when, how, transport, kind string) string {
	c := &cell{s: s.site, transport: transport, verb: last, kind: kind, state: how, life: time.Hour}
	if when != "reading" {
		c.verb = join
	}
	if transport == overClassic {
		c.verb = join
	}
	c.make()
	act := func() {
		if how == allRevoked {
			c.revoke(object{"issued_before": time.Now().UTC().Format(time.RFC3339Nano)})
		}
		c.change()
		s.publish(c.channel(), "too late")
	}
	switch when {
	case "decided":
		s.Backend.Decided.Store(&act)
	case "checked":
		s.checked.Store(&act)
	default:
		s.reading.Store(&act)
	}
	c.peer = c.newPeer()
	if transport == handshake {
		c.peer = &v2Peer{s: s.site, token: c.shown, early: true}
	}
	defer c.peer.close()
	said := c.peer.do(c.verb, c.channel())
	if s.checked.Load() != nil || s.reading.Load() != nil || s.Backend.Decided.Load() != nil {
		return "the server never reached the place where the test acts"
	}
	return said
}

// takenBetween returns the outcome that the client must see.
func takenBetween(when, how, transport string) string {
	changed := when == "checked" && how == rulesChanged // the permissions granted at the check differ from the token's current ones
	switch {
	case changed && transport == overClassic:
		return "1008"
	case transport == overClassic:
		return "ignored"
	case changed && transport == overSSE:
		return "rules_changed"
	case changed:
		return "4102 rules_changed"
	case when == "reading" && how == rulesChanged: // the session already has the new rules, so the reply applies them
		return "not_permitted"
	case when == "decided" && transport == handshake: // it never had the permission that was revoked
		return "401 token_revoked"
	case when == "decided":
		return "token_revoked"
	case transport == overV2, transport == handshake:
		return "4300 token_revoked"
	default:
		return "token_revoked"
	}
}
