package ws

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// TestRequests sends classic requests and checks which channels the session is on afterwards.
func TestRequests(t *testing.T) {
	on := func(channels ...string) boreas.Counts {
		c := boreas.Counts{Identities: []boreas.Count{{Name: "valid", Sessions: 1}}, Channels: []boreas.Count{}}
		for _, ch := range channels {
			c.Channels = append(c.Channels, boreas.Count{Name: ch, Sessions: 1})
		}
		return c
	}
	anonymous := boreas.Counts{Anonymous: 1, Identities: []boreas.Count{}, Channels: []boreas.Count{}}
	cases := []struct {
		name     string
		requests []string
		want     boreas.Counts
	}{
		{"nothing", nil, anonymous},
		{"a valid token", []string{auth}, on()},
		{"an invalid token", []string{`{"access_token": "wrong"}`}, anonymous},
		{"an invalid token changes nothing", []string{auth, joining("a"), `{"access_token": "wrong"}`}, on("a")},
		{"joining while anonymous", []string{joining("a"), auth}, on()},
		{"join and leave", []string{auth, `{"channels": {"join": ["a", "b"], "leave": ["b", "c"]}}`}, on("a")},
		{"a later token keeps the channels", []string{`{"access_token": "valid-first"}`, joining("a"), auth}, on("a")},
		{"a token is only that", []string{auth, `{"access_token": "valid", "channels": {"join": ["a"], "leave": []}}`}, on()},
		{"odd names", []string{auth, `{"channels": {"join": ["a", 5, null, "", "x\u0000y", "` + strings.Repeat("x", 256) + `", "b"], "leave": [[], "never joined", "a"]}}`}, on("b")},
		{"leave is required", []string{auth, `{"channels": {"join": ["a"]}}`}, on()},
		{"both are lists", []string{auth, `{"channels": {"join": ["a"], "leave": {}}}`}, on()},
		{"no object", []string{auth, `[]`, `1`, `null`, `"x"`, `true`, `not JSON`, ``, joining("a")}, on("a")},
		{"deep", []string{auth, strings.Repeat("[", 60_000), joining("a")}, on("a")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Options{})
			for _, request := range c.requests {
				r.feed(text(request), 0)
			}
			if diff := cmp.Diff(c.want, r.hub.Counts()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if frames := r.out.frames(); len(frames) > 0 {
				t.Errorf("the classic wire must not reply, got %q", frames)
			}
		})
	}
}

func TestIgnoredMessagesAreCounted(t *testing.T) {
	n := new(Counters)
	r := newRig(t, Options{Counters: n})
	for _, request := range []string{joining("a"), `{"access_token": "wrong"}`, auth, `{"channels": {"join": [1, ""], "leave": [2]}}`, "{", "[]"} {
		r.feed(text(request), 0)
	}
	r.feed(frame(fin|2, "binary"), 0)
	got := []uint64{n.IgnoredAnonymous.Load(), n.IgnoredTokens.Load(), n.IgnoredNames.Load(), n.IgnoredMessages.Load()}
	if diff := cmp.Diff([]uint64{1, 1, 3, 3}, got); diff != "" {
		t.Errorf("anonymous, tokens, names, messages (-want +got):\n%s", diff)
	}
}

// TestATokenThatCannotBeCheckedNow sends a token that the server cannot check or use at the moment. The
// client does not expect an answer, so the server must not keep the connection as if nothing were
// wrong.
func TestATokenThatCannotBeCheckedNow(t *testing.T) {
	for want, err := range map[string]error{
		"close 1013 The server cannot reach the store of tokens.":                      fault.AuthUnavailable.With("The server cannot reach the store of tokens."),
		"close 1008 The account sends too much.":                                       fault.RateLimited.With("The account sends too much."),
		"close 1008 " + cut(fault.Message(boreas.ErrTooManyUserSessions)):              boreas.ErrTooManyUserSessions,
		"close 1011 the server cannot continue with this connection; its log says why": errors.New("a secret cause"),
	} {
		n := new(Counters)
		r := newRig(t, Options{Counters: n, Check: func(access.Credentials) (*access.Grant, error) { return nil, err }})
		r.feed(text(auth), 0)
		r.feed(text(joining("a")), 0)
		if diff := cmp.Diff([]string{want}, r.out.frames()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		if got := n.IgnoredTokens.Load(); got != 0 {
			t.Errorf("%v: %d tokens were ignored", err, got)
		}
	}
}

// TestAnUnknownErrorOfAJoin lets a join fail for a reason that is in no table.
func TestAnUnknownErrorOfAJoin(t *testing.T) {
	r := newRigOf(t, boreas.Options{Engine: failingEngine{}}, Options{})
	r.feed(text(auth), 0)
	r.feed(text(joining("a")), 0)
	want := []string{"close 1011 the server cannot continue with this connection; its log says why"}
	if diff := cmp.Diff(want, r.out.frames()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// failingEngine cannot follow a channel.
type failingEngine struct{ engine.Engine }

func (failingEngine) Immediate() bool { return true }

func (failingEngine) Follow(context.Context, string, engine.Follower) (engine.Position, func(), error) {
	return engine.Position{}, nil, errors.New("a secret cause")
}

// TestATokenDeletedWhileItIsUsed deletes the token after it was checked and before the session has
// its grant. At that time the deletion does not find the session.
func TestATokenDeletedWhileItIsUsed(t *testing.T) {
	r := newRigOf(t, boreas.Options{Valid: func(*access.Grant) error { return fault.TokenRevoked }}, Options{})
	r.feed(text(auth), 0)
	if c := r.hub.Counts(); c.Anonymous != 1 {
		t.Errorf("a session of a deleted token: %+v", c)
	}
}

func TestFormat(t *testing.T) {
	for _, n := range []int{1, 80, 90, 95, 97, 98, 99, 200, 65_000, 65_520, 70_000} {
		data := `"` + strings.Repeat("x", n) + `"`
		b := classicFormat{}.AppendPublication([]byte("before"), "a\"b", 1, &engine.Publication{Data: []byte(data)})
		want := []string{`text {"message": ` + data + `, "channel": "a\"b"}`}
		if string(b[:6]) != "before" {
			t.Fatalf("%d bytes: the bytes before the frame have changed", n)
		}
		if diff := cmp.Diff(want, describe(b[6:])); diff != "" {
			t.Errorf("%d bytes (-want +got):\n%s", n, diff)
		}
	}
}

func TestNewIdentity(t *testing.T) {
	a, b := newIdentity(), newIdentity()
	if a == b || len(a) < 47 || a[14] != '4' || strings.Count(a, "-") != 5 {
		t.Errorf("%q, %q", a, b)
	}
}
