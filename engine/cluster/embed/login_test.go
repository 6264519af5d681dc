//go:build !noembed

package embed

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// TestLogin: another process of the same user can connect to a server while it runs.
func TestLogin(t *testing.T) {
	all := nodes(t, "n1", "n2", "n3")
	servers := startAll(t, all...)
	l, err := ReadLogin(all[0].Dir)
	if err != nil {
		t.Fatal(err)
	}
	o := natsconn.Options{URLs: []string{l.URL}, User: l.User, Password: l.Password, Node: "test"}
	nc, err := o.Connect(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if name := nc.ConnectedServerName(); name != "n1" {
		t.Errorf("it is a login of %s", name)
	}
	path := filepath.Join(all[0].Dir, loginName)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the login: %v, %v", info, err)
	}
	if err := servers[0].Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLogin(all[0].Dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLogin(all[0].Dir); err == nil || err.Error() != path+" is damaged: restart the node, which writes it again" {
		t.Error(err)
	}
}
