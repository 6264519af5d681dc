package embed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

const (
	markerName = "boreas.json"
	lockName   = "lock"

	// markerFormat is the version of the layout of the directory.
	markerFormat = 1

	// maxMarker is the maximum size of the file in bytes. Five names have a tenth of it.
	maxMarker = 4 << 10
)

// marker says whose directory it is.
type marker struct {
	Format int      `json:"format"`
	Node   string   `json:"node"`
	Peers  []string `json:"peers"` // sorted
}

// claim makes the directory this node's, or returns why it is not. Nobody else may use it meanwhile.
//
// The addresses of the peers may change, but not their names: a node that is named anew would count as
// one more node of the cluster, and the old name as one that is down. New names may come to the old
// ones: the cluster grows, and the nodes that have data let the new ones in.
func claim(dir, node string, peers []string) error {
	path := filepath.Join(dir, markerName)
	text, err := readMarker(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := checkEmpty(dir); err != nil {
			return err
		}
		return writeMarker(dir, marker{Format: markerFormat, Node: node, Peers: peers})
	}
	if err != nil {
		return err
	}
	var m marker
	if err := json.Unmarshal(text, &m); err != nil || m.Format < 1 || m.Node == "" {
		return fmt.Errorf("%s is damaged: put a copy in its place, or move %s away and start with an empty directory: "+
			"this node then gets the messages from the other nodes, if all of those are up to date", path, dir)
	}
	switch {
	case m.Format > markerFormat:
		return fmt.Errorf("%s was written by a newer version (format %d): start that version", dir, m.Format)
	case m.Node != node:
		return fmt.Errorf("%s belongs to the node %s, and this is %s: give this node its own directory, or give it the name %s", dir, m.Node, node, m.Node)
	case slices.Equal(m.Peers, peers):
		return nil
	case !containsAll(peers, m.Peers):
		return fmt.Errorf("%s belongs to a cluster of the nodes %s, and the peers are now %s: no name may be missing or different. "+
			"Give the earlier names, and two more if the cluster should grow from three to five; a node on another machine keeps its name and gets another address, as in %s=10.0.0.9",
			dir, strings.Join(m.Peers, ", "), strings.Join(peers, ", "), m.Peers[0])
	}
	return writeMarker(dir, marker{Format: m.Format, Node: node, Peers: peers})
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

func readMarker(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxMarker {
		return nil, fmt.Errorf("%s has %d bytes, more than any such file: it is not of this program", path, info.Size())
	}
	return os.ReadFile(path)
}

// checkEmpty returns an error if the directory has files of others.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != lockName && e.Name() != markerName+newSuffix {
			return fmt.Errorf("%s has no file %s and is not empty (%s): it may be of another NATS server, whose streams this cluster would delete: "+
				"move it away, or give another directory", dir, markerName, e.Name())
		}
	}
	return nil
}

// newSuffix is the end of the name of a file that is not complete yet.
const newSuffix = ".new"

// writeMarker writes the file. It is on the disk when the function returns, so that no message is ever
// in a directory without it.
func writeMarker(dir string, m marker) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, markerName)
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return err
	}
	return dirlock.Sync(dir)
}
