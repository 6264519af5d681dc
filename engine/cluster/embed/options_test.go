package embed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	peers := func(names ...string) (all []Peer) {
		for _, name := range names {
			all = append(all, Peer{name, name + ":6222"})
		}
		return all
	}
	for want, change := range map[string]func(o *Options){
		"": func(*Options) {},
		"a cluster of two nodes stops when one fails, because one is not a majority of two: give three or five": func(o *Options) { o.Peers = peers("a", "b") },
		"a cluster has three or five nodes that keep messages, and 4 are given":                                 func(o *Options) { o.Peers = peers("a", "b", "c", "d") },
		"the directory for messages is not given":                                                               func(o *Options) { o.Dir = "" },
		"the secret of the cluster has 5 bytes and could be guessed: give at least 16 random ones":              func(o *Options) { o.Secret = "short" },
		"this node, x, is none of the peers a, b, c":                                                            func(o *Options) { o.Node = "x" },
		"two of the peers a, a, b have the same name":                                                           func(o *Options) { o.Peers = peers("b", "a", "a") },
		`the address "a" of the node a is not a host and a port`:                                                func(o *Options) { o.Peers[0].Addr = "a" },
	} {
		o := Options{Dir: "d", Node: "a", Peers: peers("a", "b", "c"), Secret: strings.Repeat("s", MinSecret)}
		change(&o)
		got := ""
		if err := o.check(); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestListen(t *testing.T) {
	for _, c := range []struct{ listen, addr, want string }{
		{":7", "10.0.0.1:6222", ":7"},
		{"", "10.0.0.1:6222", "10.0.0.1:6222"},
		{"", "[fd00::1]:6222", "[fd00::1]:6222"},
		{"", "localhost:1", "localhost:1"},
		{"", "n1.example:6222", ":6222"},
	} {
		o := Options{Node: "a", Peers: []Peer{{"b", "b:1"}, {"a", c.addr}}, Listen: c.listen}
		if got := o.listen(); got != c.want {
			t.Errorf("%q, %q: got %q, want %q", c.listen, c.addr, got, c.want)
		}
	}
}

// TestClaim: a directory is used by one node of one cluster only.
func TestClaim(t *testing.T) {
	peers := []string{"n1", "n2", "n3"}
	for name, c := range map[string]struct {
		files map[string]string
		node  string
		peers []string
		want  string // DIR is the directory
	}{
		"new":               {node: "n1", peers: peers},
		"locked":            {files: map[string]string{"lock": "", "boreas.json.new": "{"}, node: "n1", peers: peers},
		"again":             {files: map[string]string{"boreas.json": `{"format":1,"node":"n1","peers":["n1","n2","n3"]}`, "jetstream": "x"}, node: "n1", peers: peers},
		"of another node":   {files: map[string]string{"boreas.json": `{"format":1,"node":"n2","peers":["n1","n2","n3"]}`}, node: "n1", peers: peers, want: "DIR belongs to the node n2, and this is n1: give this node its own directory, or give it the name n2"},
		"of other nodes":    {files: map[string]string{"boreas.json": `{"format":1,"node":"n1","peers":["n1","n2","n4"]}`}, node: "n1", peers: peers, want: "DIR belongs to a cluster of the nodes n1, n2, n4, and the peers are now n1, n2, n3: no name may be missing or different. Give the earlier names, and two more if the cluster should grow from three to five; a node on another machine keeps its name and gets another address, as in n1=10.0.0.9"},
		"of more nodes":     {files: map[string]string{"boreas.json": `{"format":1,"node":"n1","peers":["n1","n2","n3","n4","n5"]}`}, node: "n1", peers: peers, want: "DIR belongs to a cluster of the nodes n1, n2, n3, n4, n5, and the peers are now n1, n2, n3: no name may be missing or different. Give the earlier names, and two more if the cluster should grow from three to five; a node on another machine keeps its name and gets another address, as in n1=10.0.0.9"},
		"it grows":          {files: map[string]string{"boreas.json": `{"format":1,"node":"n1","peers":["n1","n2","n3"]}`, "jetstream": "x"}, node: "n1", peers: []string{"n1", "n2", "n3", "n4", "n5"}},
		"of a new version":  {files: map[string]string{"boreas.json": `{"format":2,"node":"n1"}`}, node: "n1", peers: peers, want: "DIR was written by a newer version (format 2): start that version"},
		"damaged":           {files: map[string]string{"boreas.json": `{"for`}, node: "n1", peers: peers, want: "DIR/boreas.json is damaged: put a copy in its place, or move DIR away and start with an empty directory: this node then gets the messages from the other nodes, if all of those are up to date"},
		"large":             {files: map[string]string{"boreas.json": strings.Repeat(" ", maxMarker+1)}, node: "n1", peers: peers, want: "DIR/boreas.json has 4097 bytes, more than any such file: it is not of this program"},
		"of another server": {files: map[string]string{"jetstream": "x"}, node: "n1", peers: peers, want: "DIR has no file boreas.json and is not empty (jetstream): it may be of another NATS server, whose streams this cluster would delete: move it away, or give another directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // the second time it has a file
				got := ""
				if err := claim(dir, c.node, c.peers); err != nil {
					got = strings.ReplaceAll(err.Error(), dir, "DIR")
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			if c.want == "" {
				want := `{"format":1,"node":"n1","peers":["` + strings.Join(c.peers, `","`) + `"]}`
				text, err := os.ReadFile(filepath.Join(dir, markerName))
				if diff := cmp.Diff(want, strings.TrimSpace(string(text))); diff != "" || err != nil {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			}
		})
	}
}
