package embed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// loginName is the name of the file with a [Login].
const loginName = "login.json"

// A Login is what a command on the same machine connects with to the server of a running node.
type Login struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// ErrNotRunning means that no server runs in a directory.
var ErrNotRunning = errors.New("no node runs with this directory")

// ReadLogin returns the login of the server that runs in the directory. Only the user that the server
// runs as may read it. Errors: [ErrNotRunning]; those of the file system.
func ReadLogin(dir string) (Login, error) {
	var l Login
	path := filepath.Join(dir, loginName)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return l, fmt.Errorf("%w: there is no file %s", ErrNotRunning, path)
	case err != nil:
		return l, fmt.Errorf("read the login of the running node: %w: run this as the user that the node runs as", err)
	}
	if err := json.Unmarshal(text, &l); err != nil || l.URL == "" {
		return l, fmt.Errorf("%s is damaged: restart the node, which writes it again", path)
	}
	return l, nil
}

// writeLogin writes the file. It replaces that of a node that was killed.
func writeLogin(dir string, l Login) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, loginName)
	if err := removeLogin(dir); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func removeLogin(dir string) error {
	if err := os.Remove(filepath.Join(dir, loginName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
