package clusterstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"

	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A reader is a store with the state that results from its lines: a set of names. The line "+a" adds a
// name, and "-a" removes it.
type reader struct {
	*clusterstore.Store
	server *server.Server
	at     uint64
	names  map[string]bool
}

func openReader(t testing.TB, prefix, node string, s *server.Server) *reader {
	t.Helper()
	o := options(node, s)
	o.Servers.Prefix, o.MaxBytes = prefix, 8<<20
	r := &reader{Store: openStore(t, o), server: s, names: make(map[string]bool)}
	return r
}

func (r *reader) apply(line []byte) error {
	switch line[0] {
	case '+':
		if r.names[string(line[1:])] {
			return fmt.Errorf("%s comes twice", line)
		}
		r.names[string(line[1:])] = true
	case '-':
		delete(r.names, string(line[1:]))
	}
	return nil
}

// catchUp reads the new lines, as an authority does.
func (r *reader) catchUp(ctx context.Context) (err error) {
	r.at, err = r.Replay(ctx, r.at, r.apply)
	for errors.Is(err, auth.ErrCompacted) {
		r.names = make(map[string]bool)
		r.at, err = r.Replay(ctx, 0, r.apply)
	}
	return err
}

// change appends lines, and applies them if they are kept.
func (r *reader) change(ctx context.Context, lines ...string) error {
	var texts [][]byte
	for _, l := range lines {
		texts = append(texts, []byte(l))
	}
	last, err := r.Append(ctx, r.at, texts...)
	if err != nil {
		return err
	}
	r.at = last
	for _, l := range texts {
		if err := r.apply(l); err != nil {
			return err
		}
	}
	return nil
}

// lines returns the lines that produce the state of this moment. It calls between before each line.
func (r *reader) lines(between func(i int) error) func(write func([]byte) error) error {
	names := slices.Sorted(maps.Keys(r.names))
	return func(write func([]byte) error) error {
		for i, name := range names {
			if err := between(i); err != nil {
				return err
			}
			if err := write([]byte("+" + name)); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestModel: whatever stores append, read and compact, and wherever a compaction ends early, each store
// has the state that the acknowledged changes produce.
func TestModel(t *testing.T) {
	s := natstest.Start(t)
	prefixes := 0
	rapid.Check(t, func(rt *rapid.T) {
		ctx, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		prefixes++
		prefix := fmt.Sprintf("m%d", prefixes)
		all := make([]*reader, 3)
		want := make(map[string]bool)
		next := 0
		open := func(i int) {
			all[i] = openReader(t, prefix, fmt.Sprintf("n%d", i), s)
			all[i].Hurry(5, 0)
		}
		for i := range all {
			open(i)
		}
		defer func() {
			deleteStream(t, all[0].Store)
			for _, r := range all {
				r.Close() //nolint:errcheck // it returns none
			}
		}()
		check := func(r *reader) {
			if err := r.catchUp(ctx); err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, r.names); diff != "" {
				rt.Fatalf("state (-want +got):\n%s", diff)
			}
		}
		change := func(r *reader, n int) {
			var lines []string
			for range n {
				lines = append(lines, fmt.Sprintf("+%d", next))
				next++
			}
			for name := range want {
				lines = append(lines, "-"+name)
				break
			}
			err := r.change(ctx, lines...)
			switch {
			case errors.Is(err, auth.ErrConflict):
				check(r)
			case err != nil:
				rt.Fatal(err)
			default:
				for _, l := range lines {
					if l[0] == '+' {
						want[l[1:]] = true
					} else {
						delete(want, l[1:])
					}
				}
			}
		}
		which := rapid.IntRange(0, len(all)-1)
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			r := all[which.Draw(rt, "store")]
			switch rapid.SampledFrom([]string{"change", "change", "change", "read", "note", "compact", "compact", "crash", "reopen"}).Draw(rt, "step") {
			case "change":
				change(r, rapid.IntRange(1, 4).Draw(rt, "lines"))
			case "read":
				check(r)
			case "note":
				if err := r.Note(ctx, []byte("note")); err != nil {
					rt.Fatal(err)
				}
			case "compact", "crash":
				compact := r.Compaction()
				if compact == nil {
					continue
				}
				at := rapid.IntRange(0, 6).Draw(rt, "moment")
				crash := rapid.Bool().Draw(rt, "crash")
				other := all[which.Draw(rt, "other")]
				inner, stop := context.WithCancel(ctx)
				err := compact(inner, r.lines(func(i int) error {
					if i != at {
						return nil
					}
					if other != r { // it appends, and may compact as well
						change(other, 2)
						if again := other.Compaction(); again != nil {
							if err := again(ctx, other.lines(func(int) error { return nil })); err != nil {
								rt.Fatal(err)
							}
						}
					}
					if crash {
						stop()
					}
					return nil
				}))
				stop()
				if err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "another node") {
					rt.Fatal(err)
				}
			case "reopen":
				i := slices.Index(all, r)
				r.Close() //nolint:errcheck // it returns none
				open(i)
			}
		}
		for _, r := range all {
			check(r)
		}
		last := openReader(t, prefix, "last", s)
		defer last.Close() //nolint:errcheck // it returns none
		check(last)
	})
}

// deleteStream deletes the stream of a store.
func deleteStream(t testing.TB, s *clusterstore.Store) {
	t.Helper()
	if _, err := s.Conn().Request("$JS.API.STREAM.DELETE."+s.Stream(), nil, waitFor); err != nil {
		t.Fatal(err)
	}
}
