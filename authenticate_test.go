package boreas_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// grantOf returns a grant for the user with the rules. The identity is the user's name.
func grantOf(t testing.TB, user string, list ...access.Permission) *access.Grant {
	t.Helper()
	g := boreastest.Grant(user, user)
	p, err := access.NewPermissions(list)
	if err != nil {
		t.Fatal(err)
	}
	g.HasUser, g.Permissions = true, p.For(user)
	return g
}

// as opens a session with the grant and joins the channels. Its transport can send announcements.
func (w world) as(g *access.Grant, channels ...string) (*boreas.Session, *boreastest.Conn) {
	w.Helper()
	c := &boreastest.Conn{Form: boreastest.Announcing{}}
	return w.enter(c, g, channels...), c
}

func (w world) enter(c *boreastest.Conn, g *access.Grant, channels ...string) *boreas.Session {
	w.Helper()
	s, err := c.Open(w.hub)
	if err != nil {
		w.Fatal(err)
	}
	if err := s.Authenticate(g); err != nil {
		w.Fatal(err)
	}
	for _, ch := range channels {
		w.join(s, ch)
	}
	return s
}

func ends(c *boreastest.Conn) string {
	if c.Reason() == nil {
		return "lives"
	}
	return c.Reason().Error()
}

// TestGrantVerbs tries every action of a session, on an allowed channel and on another one.
func TestGrantVerbs(t *testing.T) {
	rules := new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{ClientPublish: true, Presence: boreas.PresenceFull})
	inWorld(t, boreas.Options{Rules: rules}, func(w world) {
		for verb := access.VerbJoin; verb <= access.AllVerbs; verb++ {
			s, _ := w.as(grantOf(t, "u", access.Permission{Pattern: "yes", Allow: verb}))
			for _, channel := range []string{"yes", "no"} {
				may := func(v access.Verb) bool { return channel == "yes" && verb&v == v }
				try := func(what string, err error, want bool) {
					t.Helper()
					if (err == nil) != want || err != nil && !errors.Is(err, access.ErrNotPermitted) {
						t.Errorf("with %v: %s %s: %v, want allowed: %v", verb, what, channel, err, want)
					}
				}
				_, err := s.Publish(context.Background(), channel, engine.Message{Data: []byte("1")}, boreas.PublishOptions{})
				try("publish", err, may(access.VerbPublish))
				_, err = s.History(context.Background(), channel, engine.Position{}, engine.Limit{Messages: 1})
				try("history", err, may(access.VerbHistory))
				_, err = s.Presence(channel)
				try("presence", err, may(access.VerbPresence))
				for what, j := range map[string]boreas.Join{
					"join":       {},
					"join since": {Since: w.head(channel)},
					"join last":  {Last: 1},
					"join both":  {Since: w.head(channel), Last: 1},
					"watch":      {Watch: true},
				} {
					j.Channel = channel
					want := may(access.VerbJoin) && (j.Last == 0 || !j.Since.IsZero() || may(access.VerbHistory)) && (!j.Watch || may(access.VerbPresence))
					try(what, s.Join(context.Background(), []boreas.Join{j}, nil)[0].Err, want)
					s.Leave(channel)
				}
			}
			s.End(boreas.ErrTerminated)
		}
	})
}

// TestDeniedErrorNamesTheRule checks the texts of the errors.
func TestDeniedErrorNamesTheRule(t *testing.T) {
	g := grantOf(t, "u", access.Permission{Pattern: "chat.*", Allow: access.VerbJoin}, access.Permission{Pattern: "chat.secret", Deny: access.VerbJoin})
	for channel, want := range map[string]string{
		"chat.1":      "<nil>",
		"chat.secret": `the token's rules do not allow join on "chat.secret": rule 2: deny join on chat.secret`,
		"other":       `the token's rules do not allow join on "other": no rule allows join on this channel`,
	} {
		if got := fmt.Sprint(g.May(access.VerbJoin, channel)); got != want {
			t.Errorf("%s: got %s, want %s", channel, got, want)
		}
	}
	if err := (*access.Grant)(nil).May(access.VerbJoin, "a"); err != access.ErrAnonymous {
		t.Error(err)
	}
}

// TestGrantExpires lets time pass. The hub warns the client before the expiry, and a client that
// shows another token in time stays.
func TestGrantExpires(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		until := func(d time.Duration) *access.Grant {
			g := grantOf(t, "u", access.Permission{Pattern: "**", Allow: access.AllVerbs})
			g.Expires = time.Now().Add(d)
			return g
		}
		_, told := w.as(until(10*time.Minute), "news")
		_, short := w.as(until(40*time.Second), "news")
		again, refreshed := w.as(until(40*time.Second), "news")
		classicConn := new(boreastest.Conn)
		classic := w.enter(classicConn, until(40*time.Second), "news")
		_, forever := w.as(grantOf(t, "f", access.Permission{Pattern: "**", Allow: access.AllVerbs}), "news")

		w.pass(29 * time.Second)
		w.want(short)
		w.pass(2 * time.Second) // the hub checks once per second
		w.publish("news", "1")
		if err := again.Authenticate(until(10 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Second)
		w.publish("news", "2")
		w.settle()
		if err := classic.Join(context.Background(), []boreas.Join{{Channel: "news"}}, nil)[0].Err; err != access.ErrAnonymous {
			t.Errorf("a classic session with an expired token joins: %v", err)
		}
		w.pass(8 * time.Minute)
		w.pass(90 * time.Second)
		w.settle()
		lines := func(c *boreastest.Conn) []string {
			var got []string
			for _, l := range c.Lines() {
				var in time.Duration
				if text, ok := cutPrefix(l, "expiring in "); ok {
					in, _ = time.ParseDuration(text)
					l = "expiring in " + in.Round(time.Second).String()
				}
				got = append(got, l)
			}
			return append(got, ends(c))
		}
		for name, c := range map[string]struct {
			conn *boreastest.Conn
			want []string
		}{
			"long":      {told, []string{"news 1 1", "news 2 2", "expiring in 1m0s", "end: the token has expired", "the token has expired"}},
			"short":     {short, []string{"expiring in 10s", "news 1 1", "end: the token has expired", "the token has expired"}},
			"refreshed": {refreshed, []string{"expiring in 10s", "news 1 1", "news 2 2", "expiring in 1m0s", "lives"}},
			"classic":   {classicConn, []string{"news 1 1", "lives"}},
			"for ever":  {forever, []string{"news 1 1", "news 2 2", "lives"}},
		} {
			if diff := cmp.Diff(c.want, lines(c.conn)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		if st := w.hub.Stats(); st.Ended.Expired != 2 {
			t.Errorf("%d sessions ended because their token expired, want 2", st.Ended.Expired)
		}
	})
}

func cutPrefix(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):], true
	}
	return s, false
}

// TestExpiredTokenIsRefused uses a token after its expiry, but before the hub checks its session.
func TestExpiredTokenIsRefused(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		g := boreastest.Grant("u", "u")
		g.Expires = time.Now().Add(time.Millisecond)
		s, _ := w.as(g)
		w.pass(time.Millisecond)
		if err := join(s, "news"); err != access.ErrTokenExpired {
			t.Errorf("join: %v", err)
		}
		other, _ := w.as(boreastest.Grant("o", "o"))
		if err := other.Authenticate(g); err != access.ErrTokenExpired || other.Identity() != "o" {
			t.Errorf("Authenticate: %v; the session's identity is %q", err, other.Identity())
		}
	})
}

// TestRevokeSessions revokes the tokens of some sessions.
func TestRevokeSessions(t *testing.T) {
	inWorld(t, boreas.Options{PresenceLinger: time.Minute}, func(w world) {
		everything := access.Permission{Pattern: "**", Allow: access.AllVerbs}
		_, a1 := w.as(grantOf(t, "a", everything), "news")
		_, a2 := w.as(grantOf(t, "a", everything), "news")
		_, b := w.as(grantOf(t, "b", everything), "news")
		classic := new(boreastest.Conn)
		w.enter(classic, grantOf(t, "a", everything), "news")
		ofA := func(g *access.Grant) bool { return g.User == "a" }
		if n := w.hub.RevokeSessions(ofA, 0); n != 3 {
			t.Errorf("%d sessions were revoked, want 3", n)
		}
		w.publish("news", "1")
		w.settle()
		for name, c := range map[string]struct {
			conn *boreastest.Conn
			want []string
		}{
			"v2":         {a1, []string{"end: the token was revoked"}},
			"v2, second": {a2, []string{"end: the token was revoked"}},
			"another":    {b, []string{"news 1 1"}},
			"classic":    {classic, nil},
		} {
			if diff := cmp.Diff(c.want, c.conn.Lines()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		if n := w.hub.RevokeSessions(ofA, 0); n != 0 {
			t.Errorf("%d sessions were revoked again", n)
		}
	})
}

// TestGrace gives sessions time to show another token.
func TestGrace(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		g := boreastest.Grant("a", "a")
		soon := boreastest.Grant("a", "a")
		soon.Expires = time.Now().Add(10 * time.Second)
		_, gone := w.as(g, "news")
		other, stays := w.as(g, "news")
		_, sooner := w.as(soon, "news")
		if n := w.hub.RevokeSessions(func(g *access.Grant) bool { return g.User == "a" }, 30*time.Second); n != 3 {
			t.Errorf("%d sessions were revoked, want 3", n)
		}
		w.settle()
		if err := other.Authenticate(boreastest.Grant("b", "b")); err != nil {
			t.Fatal(err)
		}
		w.pass(29 * time.Second)
		w.publish("news", "1")
		w.pass(2 * time.Second)
		w.want(gone, "expiring in 30s", "news 1 1", "end: the token was revoked")
		w.want(stays, "expiring in 30s", "news 1 1")
		w.want(sooner, "expiring in 10s", "end: the token has expired")
	})
}

// TestRegrant changes the rules of a token that sessions use.
func TestRegrant(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		allow := func(patterns ...string) *access.Grant {
			var list []access.Permission
			for _, p := range patterns {
				list = append(list, access.Permission{Pattern: p, Allow: access.AllVerbs})
			}
			return grantOf(t, "u", list...)
		}
		stays, a := w.as(allow("a", "b"), "a")
		_, b := w.as(allow("a", "b"), "a", "b")
		classic := new(boreastest.Conn)
		w.enter(classic, allow("a", "b"), "b")
		_, foreign := w.as(grantOf(t, "other", access.Permission{Pattern: "b", Allow: access.AllVerbs}), "b")
		if n := w.hub.Regrant(allow("a", "c")); n != 3 {
			t.Errorf("%d sessions, want 3", n)
		}
		w.settle()
		if err := join(stays, "c"); err != nil {
			t.Errorf("a channel that is allowed now: %v", err)
		}
		if err := join(stays, "b"); !errors.Is(err, access.ErrNotPermitted) {
			t.Errorf("a channel that is no longer allowed: %v", err)
		}
		changed := "the token's rules have changed and no longer allow a channel that the session has joined"
		if diff := cmp.Diff([]string{"lives", changed, changed, "lives"}, []string{ends(a), ends(b), ends(classic), ends(foreign)}); diff != "" {
			t.Error(diff)
		}
	})
}

// TestRegrantExpired: the token's new expiry has passed, before any warning was sent.
func TestRegrantExpired(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		g := grantOf(t, "u", access.Permission{Pattern: "**", Allow: access.AllVerbs})
		_, told := w.as(g, "news")
		classicConn := new(boreastest.Conn)
		classic := w.enter(classicConn, g, "news")
		ended := *g
		ended.Expires = time.Now().Add(-time.Nanosecond)
		if n := w.hub.Regrant(&ended); n != 2 {
			t.Errorf("%d sessions, want 2", n)
		}
		w.publish("news", "1")
		w.settle()
		w.want(told, "end: "+access.ErrTokenExpired.Error())
		w.want(classicConn)
		if classic.Grant() != nil {
			t.Error("the classic session still has its grant")
		}
	})
}

// TestRegrantLeavesOthersAlone: the text of a classic token equals the ID of another token.
func TestRegrantLeavesOthersAlone(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		opaque := &access.Grant{Identity: "tok_1", TokenID: "tok_1", Kind: "opaque", User: "u"}
		classic := &access.Grant{Identity: "tok_1", TokenID: "tok_2", Kind: "classic", User: "c"}
		one, _ := w.as(opaque, "news")
		other, _ := w.as(classic, "news")
		changed := *opaque
		if n := w.hub.Regrant(&changed); n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
		if one.Grant() != &changed || other.Grant() != classic {
			t.Errorf("the sessions have %v and %v", one.Grant(), other.Grant())
		}
	})
}

// TestTokenChangesMeanwhile: the token's grant changes between the check and Authenticate. The
// client reconnects with the same token, so it must not receive the reason "revoked".
func TestTokenChangesMeanwhile(t *testing.T) {
	inWorld(t, boreas.Options{Valid: func(*access.Grant) error { return boreas.ErrRulesChanged }}, func(w world) {
		for _, c := range []*boreastest.Conn{{Form: boreastest.Announcing{}}, {}} {
			s, err := c.Open(w.hub)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Authenticate(grantOf(t, "u")); err != boreas.ErrRulesChanged {
				t.Error(err)
			}
			w.settle()
			if c.Reason() != boreas.ErrRulesChanged {
				t.Errorf("reason %v", c.Reason())
			}
		}
	})
}

// TestAnotherTokenAllowsLess: a session shows a token that does not allow one of its channels.
func TestAnotherTokenAllowsLess(t *testing.T) {
	inWorld(t, boreas.Options{}, func(w world) {
		s, c := w.as(boreastest.Grant("u", "u"), "news", "chat")
		if err := s.Authenticate(grantOf(t, "u", access.Permission{Pattern: "news", Allow: access.AllVerbs}, access.Permission{Pattern: "chat", Allow: access.AllVerbs})); err != nil {
			t.Error(err)
		}
		if err := s.Authenticate(grantOf(t, "u", access.Permission{Pattern: "news", Allow: access.AllVerbs})); err != boreas.ErrRulesChanged {
			t.Error(err)
		}
		w.want(c, "end: "+boreas.ErrRulesChanged.Error())
	})
	inWorld(t, boreas.Options{Rules: new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull})}, func(w world) {
		s, _ := w.as(boreastest.Grant("u", "u"))
		w.watch(s, "news")
		if err := s.Authenticate(grantOf(t, "u", access.Permission{Pattern: "news", Allow: access.VerbJoin})); err != boreas.ErrRulesChanged {
			t.Errorf("a session that may no longer watch: %v", err)
		}
	})
}

// TestRevokedAtEachStep revokes a token between the steps in which a session authenticates and
// joins. As in production, the revocation is recorded first, and then the sessions end. No session
// may remain.
func TestRevokedAtEachStep(t *testing.T) {
	for _, step := range []string{"before", "while it is asked for", "after", "before follow", "after follow", "before read", "after read", "between two joins"} {
		for _, form := range []string{"told", "classic"} {
			t.Run(step+", "+form, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					between := &boreastest.Between{Engine: newMemory(memory.Options{})}
					defer between.Close()
					revoked, reached := false, false
					var w world
					revoke := func(at string) {
						if at == step && !reached {
							reached, revoked = true, true
							w.hub.RevokeSessions(func(g *access.Grant) bool { return g.User == "u" }, 0)
						}
					}
					w = world{t, boreas.New(boreas.Options{Engine: between, Valid: func(g *access.Grant) error {
						valid := !revoked
						revoke("while it is asked for")
						if step == "while it is asked for" && reached {
							valid = true // the check was before the revocation
						}
						if !valid && g.User == "u" {
							return boreas.ErrRevoked
						}
						return nil
					}})}
					defer w.hub.Shutdown(context.Background(), 0)
					between.BeforeFollow = func(string) { revoke("before follow") }
					between.AfterFollow = func(string) { revoke("after follow") }
					between.BeforeRead = func(string) { revoke("before read") }
					between.AfterRead = func(string) { revoke("after read") }
					c := new(boreastest.Conn)
					if form == "told" {
						c.Form = boreastest.Announcing{}
					}
					s, err := c.Open(w.hub)
					if err != nil {
						t.Fatal(err)
					}
					first := w.head("news")
					w.publish("news", "0")
					g := grantOf(t, "u", access.Permission{Pattern: "**", Allow: access.AllVerbs})
					revoke("before")
					s.Authenticate(g)
					revoke("after")
					s.Join(context.Background(), []boreas.Join{{Channel: "news", Since: first}}, nil)
					revoke("between two joins")
					s.Join(context.Background(), []boreas.Join{{Channel: "other", Last: 1}}, nil)
					w.settle()
					if !reached {
						t.Fatal("the step is not reached")
					}
					if _, err := s.Publish(context.Background(), "news", engine.Message{Data: []byte("0")}, boreas.PublishOptions{}); err != access.ErrAnonymous {
						t.Errorf("after the revocation the session publishes: %v", err)
					}
					before := len(c.Lines())
					w.publish("news", "1")
					w.publish("other", "1")
					w.settle()
					if got := c.Lines()[before:]; len(got) > 0 {
						t.Errorf("after the revocation the session received %q", got)
					}
					if id := s.Identity(); id != "" {
						t.Errorf("the session still has the identity %q", id)
					}
					if form == "told" && c.Reason() != boreas.ErrRevoked {
						t.Errorf("reason %v", c.Reason())
					}
				})
			})
		}
	}
}
