package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/client"
)

// keyFiles are the keys in the files of a server that does not run.
type keyFiles struct{ store *auth.Authority }

// openKeyFiles opens the files in a directory. If makes is set and the directory is missing, it
// creates the directory as the server would.
func (p *program) openKeyFiles(dir string, makes bool) (*keyFiles, error) {
	switch info, err := os.Stat(dir); {
	case err == nil && !info.IsDir():
		return nil, usagef("--data-dir=%s: that is not a directory", dir)
	case err == nil:
		if err := refuseRoot(dir, info); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrNotExist) && !makes:
		return nil, usagef("--data-dir=%s: there is no such directory", dir)
	case errors.Is(err, fs.ErrNotExist):
		// Report it, because the name may be misspelt, and no server would use the new directory.
		full, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		p.note("the directory %s did not exist; it was made, for this user only, and the server must run as the same user", full)
	}
	store, err := auth.Open(auth.Options{DataDir: dir})
	if err != nil {
		return nil, err
	}
	return &keyFiles{store}, nil
}

// Close releases the files. All changes are on disk already.
func (f *keyFiles) Close() { f.store.Close() }

// CreateKey creates a key.
func (f *keyFiles) CreateKey(_ context.Context, r client.NewKeyRequest) (client.CreatedKey, error) {
	k := auth.Key{Name: r.Name, Channels: r.Channels, Expires: r.Expires}
	if r.TTL > 0 {
		k.Expires = time.Now().Add(r.TTL)
	}
	for _, name := range r.Verbs {
		verb, err := auth.ParseKeyVerb(name)
		if err != nil {
			return client.CreatedKey{}, usageError{err}
		}
		k.Verbs |= verb
	}
	text, made, err := f.store.CreateKey(k)
	if err != nil {
		return client.CreatedKey{}, err
	}
	return client.CreatedKey{Key: text, KeyInfo: keyInfo(made)}, nil
}

// Keys returns the keys.
func (f *keyFiles) Keys(context.Context) ([]client.KeyInfo, error) {
	list := []client.KeyInfo{}
	for _, k := range f.store.Keys() {
		list = append(list, keyInfo(k))
	}
	return list, nil
}

// DeleteKey revokes a key and the tokens that it created.
func (f *keyFiles) DeleteKey(_ context.Context, id string) (client.Revoked, error) {
	for _, k := range f.store.Keys() {
		if k.ID == id {
			made := f.store.MadeWith(id)
			_, err := f.store.Revoke(auth.Revocation{Key: id})
			return client.Revoked{Tokens: made.Tokens, Changed: made.Changed, Keys: made.Keys}, err
		}
	}
	return client.Revoked{}, fmt.Errorf("there is no key %s; `boreas key list` shows the keys", id)
}

func keyInfo(k auth.Key) client.KeyInfo {
	return client.KeyInfo{
		ID: k.ID, Name: k.Name, Verbs: strings.Split(k.Verbs.String(), ", "), Channels: k.Channels,
		Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed,
	}
}
