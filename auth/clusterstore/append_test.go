package clusterstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// TestAppend: lines come in the order of their positions, each Append is refused if there are other
// changes, and notes are no changes.
func TestAppend(t *testing.T) {
	a, b, _ := readers(t, time.Hour)
	a.mustChange(t, "+1", "+2")
	if err := b.change(t.Context(), "+3"); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a store that has not read the change: %v", err)
	}
	b.mustHave(t, "1", "2")
	at := b.at
	for range 100 {
		if err := a.Note(t.Context(), []byte("note")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.change(t.Context(), "+3"); err != nil {
		t.Errorf("after notes: %v", err)
	}
	if b.at <= at {
		t.Errorf("the position %d follows %d", b.at, at)
	}
	a.mustHave(t, "1", "2", "3")
	if _, err := a.Append(t.Context(), at, []byte("+4")); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("an old position: %v", err)
	}
}

// TestNotes: a note comes to all stores, within the time between two marks.
func TestNotes(t *testing.T) {
	a, b, _ := readers(t, time.Hour)
	a.mustChange(t, "+1")
	b.mustHave(t, "1")
	if err := a.Note(t.Context(), []byte("+2"), []byte("+3")); err != nil {
		t.Fatal(err)
	}
	for len(b.names) < 3 {
		if err := errors.Join(b.Wait(t.Context(), b.at), b.catchUp(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	b.mustHave(t, "1", "2", "3")
}

// TestLargeAppend: lines that do not fit into a message are kept, all or none, and in order with others.
func TestLargeAppend(t *testing.T) {
	s := natstest.Start(t)
	a, b := openStore(t, options("n1", s)), openStore(t, options("n2", s))
	defer a.Close()
	defer b.Close()
	var got []string
	read := func(line []byte) error {
		got = append(got, fmt.Sprintf("%.6s %d", line, len(line)))
		return nil
	}
	var at [2]uint64
	for i, store := range []*clusterstore.Store{a, b} {
		var err error
		if at[i], err = store.Replay(t.Context(), 0, read); err != nil {
			t.Fatal(err)
		}
	}
	const size = 400 << 10 // two of them fit into a message of 1 MiB
	lines := func(name string) (all [][]byte) {
		for i := range 5 {
			all = append(all, append(fmt.Appendf(nil, "%s %d ", name, i), bytes.Repeat([]byte("x"), size)...))
		}
		return all
	}
	first, err := a.Append(t.Context(), at[0], lines("aa")...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), at[1], lines("bb")...); !errors.Is(err, auth.ErrConflict) {
		t.Errorf("a store that has not read the change: %v", err)
	}
	if at[1], err = b.Replay(t.Context(), at[1], read); err != nil || at[1] != first {
		t.Fatal(at[1], first, err)
	}
	if _, err := b.Append(t.Context(), at[1], lines("cc")...); err != nil {
		t.Fatal(err)
	}
	last, err := a.Replay(t.Context(), first, read)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{"aa", "cc"} {
		for i := range 5 {
			want = append(want, fmt.Sprintf("%s %d x %d", name, i, size+5))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	_, err = a.Append(t.Context(), last, bytes.Repeat([]byte("x"), 2<<20))
	if err == nil || errors.Is(err, auth.ErrConflict) || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("a line that is larger than a message: %v", err)
	}
}

// TestFull: a full stream refuses changes, and the error names the remedy. After a compaction it accepts them again.
func TestFull(t *testing.T) {
	s := natstest.Start(t)
	r := openReader(t, "boreas", "n1", s)
	defer r.Close() //nolint:errcheck // it returns none
	if err := r.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 1<<19)
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		name := fmt.Sprint(i, large)
		err = r.change(t.Context(), "+"+name, "-"+name)
	}
	if !errors.Is(err, clusterstore.ErrFull) || !strings.Contains(err.Error(), "--max-bytes=") {
		t.Fatalf("append: %v", err)
	}
	if err := r.Ready(); !errors.Is(err, clusterstore.ErrFull) {
		t.Errorf("ready: %v", err)
	}
	if err := r.Note(t.Context(), []byte("note")); !errors.Is(err, clusterstore.ErrFull) {
		t.Errorf("note: %v", err)
	}
	r.names["kept"] = true
	r.Hurry(1, 0)
	r.mustCompact(t)
	if err := r.change(t.Context(), "+more"); err != nil {
		t.Errorf("after a compaction: %v", err)
	}
	late := openReader(t, "boreas", "n2", s)
	defer late.Close() //nolint:errcheck // it returns none
	late.mustHave(t, "kept", "more")
}

func TestOptions(t *testing.T) {
	s := natstest.Start(t)
	for want, change := range map[string]func(o *clusterstore.Options){
		"the number of replicas 2": func(o *clusterstore.Options) { o.Replicas = 2 },
		"is too small":             func(o *clusterstore.Options) { o.MaxBytes = 1 },
		"the name of the node":     func(o *clusterstore.Options) { o.Servers.Node = "a b" },
	} {
		o := options("n1", s)
		change(&o)
		if _, err := clusterstore.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestForeignStream: a stream that could lose lines is refused.
func TestForeignStream(t *testing.T) {
	s := natstest.Start(t)
	a := openStore(t, options("n1", s))
	defer a.Close()
	for want, config := range map[string]string{
		"the configuration of the stream OTHER1_AUTH was changed": `{"name":"OTHER1_AUTH","subjects":["other1.x"],"metadata":{"boreas.auth.format":"1"}}`,
		`has the format ""`: `{"name":"OTHER2_AUTH","subjects":["other2.x"]}`,
	} {
		name, _, _ := strings.Cut(strings.TrimPrefix(config, `{"name":"`), `"`)
		if _, err := a.Conn().Request("$JS.API.STREAM.CREATE."+name, []byte(config), waitFor); err != nil {
			t.Fatal(err)
		}
		o := options("n2", s)
		o.Servers.Prefix = strings.ToLower(strings.TrimSuffix(name, "_AUTH"))
		if _, err := clusterstore.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
