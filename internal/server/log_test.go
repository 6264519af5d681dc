package server

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// TestLogOfAnOpenAPI logs a start on an address that other machines can reach.
func TestLogOfAnOpenAPI(t *testing.T) {
	cfg := config.Default()
	cfg.Notes = []string{"a note"}
	logger, log := testlog.New()
	authority, err := auth.Open(auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer authority.Close()
	s := &Server{
		cfg: cfg, authority: authority,
		log: logger,
		api: endpoint{listener: fakeListener{ip: "10.0.0.1"}}, ws: endpoint{listener: fakeListener{ip: "127.0.0.1"}},
	}
	s.logStart(s.debug(), descriptors{sessions: 960})
	const want = `level=WARN msg="a note"
level=INFO msg="shares of file descriptors" limit=0 sessions=960 handshakes=0 api=0 files=0
level=WARN msg="the API has no keys (api_insecure): everyone who reaches this address can publish and make tokens; let only your backends reach it" api=10.0.0.1:8001
level=INFO msg="the debug URLs are off, because the API is not on a loopback address; --debug turns them on"
level=INFO msg=running api=10.0.0.1:8001 ws=127.0.0.1:8001 config="" tokens=0 debug=false max_connections=960 sockets=own
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Error(diff)
	}
}

// TestLogOfOneAddressForAll: a limit per address that has no effect is logged.
func TestLogOfOneAddressForAll(t *testing.T) {
	for _, c := range []struct {
		ip                string
		each, connections int
		want              string
	}{
		{"10.0.0.1", 1000, 960, `level=WARN msg="one address may use all connections: set address_connections lower than max_connections" address_connections=1000 max_connections=960` + "\n"},
		{"10.0.0.1", 0, 960, `level=WARN msg="one address may use all connections: set address_connections lower than max_connections" address_connections=0 max_connections=960` + "\n"},
		{"10.0.0.1", 1000, 1001, ""},
		{"10.0.0.1", 1000, 0, ""},
		{"127.0.0.1", 1000, 960, ""},
	} {
		cfg := config.Default()
		cfg.AddressConnections = c.each
		logger, log := testlog.NewAt(slog.LevelWarn)
		authority, err := auth.Open(auth.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{
			cfg: cfg, authority: authority,
			log: logger,
			api: endpoint{listener: fakeListener{ip: "127.0.0.1"}}, ws: endpoint{listener: fakeListener{ip: c.ip}},
		}
		s.logStart(true, descriptors{sessions: c.connections})
		authority.Close()
		if log.String() != c.want {
			t.Errorf("%+v: %s", c, log.String())
		}
	}
}

// TestLogOfTheDataDirectory: the log shows if the server is started with another directory than
// before.
func TestLogOfTheDataDirectory(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	start := func() string {
		logger, log := testlog.New()
		authority, err := auth.Open(auth.Options{DataDir: "data"})
		if err != nil {
			t.Fatal(err)
		}
		defer authority.Close()
		s := &Server{authority: authority, log: logger}
		s.logKept()
		if len(authority.Keys()) == 0 {
			if _, _, err := authority.CreateKey(auth.Key{Name: "a", Verbs: auth.KeyAdmin}); err != nil {
				t.Fatal(err)
			}
			if _, err := authority.Mint(""); err != nil {
				t.Fatal(err)
			}
			if _, err := authority.Revoke(auth.Revocation{User: "ann"}); err != nil {
				t.Fatal(err)
			}
			if err := authority.Add("provided"); err != nil {
				t.Fatal(err)
			}
		}
		return log.String()
	}
	dir := filepath.Join(root, "data")
	want := `level=INFO msg="tokens, keys and revocations are stored on disk" data_dir=` + dir + ` new=true keys=0 tokens=0 revocations=0 api_needs_key=false
level=WARN msg="data_dir is new, so the API has no keys and is open until you make one; if you have made keys before, they are in another directory" data_dir=` + dir + "\n"
	if diff := cmp.Diff(want, start()); diff != "" {
		t.Error(diff)
	}
	want = `level=INFO msg="tokens, keys and revocations are stored on disk" data_dir=` + dir + " new=false keys=1 tokens=1 revocations=1 api_needs_key=true\n"
	if diff := cmp.Diff(want, start()); diff != "" {
		t.Error(diff)
	}
}
