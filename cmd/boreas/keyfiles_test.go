package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/auth"
)

func TestKeysOfARunningServerAreLocked(t *testing.T) {
	dir := t.TempDir()
	server, err := auth.Open(auth.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	got := started{args: "key new --data-dir=" + dir + " n"}.run(t)
	got.Stderr = strings.ReplaceAll(got.Stderr, dir, "DIR")
	want := outcome{Exit: 1, Stderr: "boreas: lock the directory DIR: another process uses it, probably a running server. " +
		"Use the API of that server, stop it first, or choose another directory with --data-dir\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}

	// After the server has ended, keys can be created, used by the next server, and revoked.
	made := started{args: "key new --data-dir=" + dir + " --verbs=publish --channels=a --ttl=1h n"}.run(t)
	if server, err = auth.Open(auth.Options{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	key, err := server.CheckKey(strings.TrimSpace(made.Stdout))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.May(auth.KeyPublish, "a"); err != nil || key.Expires.IsZero() {
		t.Errorf("the key has %v, and expires %v", err, key.Expires)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(outcome{}, started{args: "key revoke --data-dir=" + dir + " " + key.ID}.run(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if server, err = auth.Open(auth.Options{DataDir: dir}); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := server.CheckKey(strings.TrimSpace(made.Stdout)); err == nil {
		t.Error("a revoked key is accepted")
	}
}
