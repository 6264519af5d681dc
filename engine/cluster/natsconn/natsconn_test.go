package natsconn_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Goroutines()...) }

func TestEncode(t *testing.T) {
	for name, want := range map[string]string{
		"": "=", "news": "news", "a.b": "a=2Eb", "room 1": "room=201", "=": "=3D", "é": "=C3=A9", "*>": "=2A=3E", "A-b_9": "A-b_9",
	} {
		if got := natsconn.Encode(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := string(rapid.SliceOf(rapid.Byte()).Draw(t, "name"))
		if got, ok := natsconn.Decode(natsconn.Encode(name)); got != name || !ok {
			t.Fatalf("%q comes back as %q, %v", name, got, ok)
		}
	})
	for _, token := range []string{"", "=epoch", "=2", "=2e", "a=2Fb=", "=41", "a b", "a.b"} {
		if name, ok := natsconn.Decode(token); ok {
			t.Errorf("%q is taken for %q", token, name)
		}
	}
}

func TestNames(t *testing.T) {
	for _, o := range []natsconn.Options{{}, {Prefix: "live-2"}} {
		got := []string{o.Stream(), o.Stream("auth"), o.Subject("ch", "a"), o.Subject("ch", "*")}
		want := []string{"BOREAS", "BOREAS_AUTH", "boreas.ch.a", "boreas.ch.*"}
		if o.Prefix != "" {
			want = []string{"LIVE-2", "LIVE-2_AUTH", "live-2.ch.a", "live-2.ch.*"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCheck(t *testing.T) {
	valid := natsconn.Options{URLs: []string{"nats://one", "tls://two:4222"}, Node: "n1"}
	for change, want := range map[string]func(o *natsconn.Options){
		"":                              func(*natsconn.Options) {},
		"the prefix":                    func(o *natsconn.Options) { o.Prefix = "a.b" },
		"the name of the node":          func(o *natsconn.Options) { o.Node = "n_1" },
		"one kind of credentials":       func(o *natsconn.Options) { o.User, o.Token = "u", "t" },
		"no address":                    func(o *natsconn.Options) { o.URLs = nil },
		"cannot be read":                func(o *natsconn.Options) { o.URLs = []string{"nats://%zz"} },
		"contains credentials":          func(o *natsconn.Options) { o.URLs = []string{"nats://u:secret@one"} },
		`the address "http://one" of a`: func(o *natsconn.Options) { o.URLs = []string{"http://one"} },
	} {
		o := valid
		want(&o)
		err := o.Check()
		if change == "" && err == nil {
			continue
		}
		if err == nil || change == "" || !strings.Contains(err.Error(), change) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", change, err)
		}
	}
}

func TestConnect(t *testing.T) {
	s := natstest.Start(t)
	for _, o := range []natsconn.Options{{URLs: natstest.URLs(s)}, {Server: s}} {
		o.Node = "n1"
		nc, err := o.Connect(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		if name := nc.Opts.Name; name != "boreas n1 test" {
			t.Errorf("it is named %q", name)
		}
		nc.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	o := natsconn.Options{URLs: []string{"nats://127.0.0.1:1"}, Node: "n1"}
	if _, err := o.Connect(ctx, "test"); err == nil || !strings.Contains(err.Error(), "no NATS server can be reached at nats://127.0.0.1:1") {
		t.Error(err)
	}
	natsconn.SetMinVersion(t, 99, 0)
	o = natsconn.Options{Server: s, Node: "n1"}
	if _, err := o.Connect(t.Context(), "test"); !errors.Is(err, natsconn.ErrVersion) {
		t.Error(err)
	}
}
