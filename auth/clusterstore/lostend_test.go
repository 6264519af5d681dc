package clusterstore_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/auth/clusterstore"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// quiet opens a store that writes marks only when it reads everything, and reads everything.
func quiet(t *testing.T, node string, s *server.Server) *reader {
	t.Helper()
	r := &reader{Store: openStore(t, options(node, s).WithoutMarks()), server: s, names: make(map[string]bool)}
	t.Cleanup(func() { r.Close() }) //nolint:errcheck // it returns none
	r.settle(t)
	return r
}

// settle reads everything new. A server may answer late.
func (r *reader) settle(t *testing.T) {
	t.Helper()
	eventually(t, "the store reads", func() bool { return r.catchUp(t.Context()) == nil })
}

// pad writes notes, so that the last message has the sequence.
func (r *reader) pad(t *testing.T, last uint64) {
	t.Helper()
	for {
		m := &nats.Msg{Subject: "boreas.auth.log.note", Data: []byte("note"), Header: nats.Header{nats.MsgIdHdr: {rand.Text()}}}
		var ack *nats.Msg
		eventually(t, "a note is stored", func() (ok bool) {
			var err error
			ack, err = r.Conn().RequestMsg(m, 5*time.Second) // the connection may have been lost
			return err == nil
		})
		var stored struct{ Seq uint64 }
		if err := json.Unmarshal(ack.Data, &stored); err != nil || stored.Seq > last {
			t.Fatalf("the answer %s, %v; want at most %d", ack.Data, err, last)
		}
		if stored.Seq == last {
			return
		}
	}
}

// rewind replaces the files of a server by an older copy, as after a power failure.
func rewind(t *testing.T, s *server.Server, older string) {
	t.Helper()
	natstest.Restart(t, s, func(o *server.Options) {
		if err := errors.Join(os.RemoveAll(o.StoreDir), os.CopyFS(o.StoreDir, os.DirFS(older))); err != nil {
			t.Fatal(err)
		}
	})
}

// A server comes back with an older copy of its files, so a change is lost. Another node makes changes
// before this one looks. They must not stay unread: one of them may be a revocation.
func TestStreamLosesItsEnd(t *testing.T) {
	const room = 20 // messages, for the marks of other stores
	for _, c := range []struct {
		name   string
		unread bool   // whether the node has not read its own change back when it is lost
		after  uint64 // messages that the node reads after its change
		later  uint64 // where the other node's change is, from the lost one on
		append bool   // whether the node makes a change before it reads
	}{
		{name: "another change in its place"},
		{name: "another change in its place, and one of this node after it", append: true},
		{name: "another change in place of one that was not read back, and one of this node after it", unread: true, append: true},
		{name: "another change after it, in place of notes that were read", after: 2 * room, later: room},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := natstest.Start(t)
			a := quiet(t, "a", s)
			if err := a.change(t.Context(), "+kept"); err != nil {
				t.Fatal(err)
			}
			a.settle(t)
			older := filepath.Join(t.TempDir(), "older")
			s = natstest.Restart(t, s, func(o *server.Options) {
				if err := os.CopyFS(older, os.DirFS(o.StoreDir)); err != nil {
					t.Fatal(err)
				}
			})
			eventually(t, "the node is connected", a.Conn().IsConnected)
			lost := a.at + room
			a.pad(t, lost-1)
			if !c.unread {
				a.settle(t)
			}
			if err := a.change(t.Context(), "+lost"); err != nil || a.at != lost {
				t.Fatal(a.at, err)
			}
			if !c.unread {
				a.pad(t, lost+c.after+1)
				a.Raise(lost + c.after + 1)
				a.settle(t)
			}
			rewind(t, s, older)
			eventually(t, "the node is connected", a.Conn().IsConnected)
			b := quiet(t, "b", s)
			b.pad(t, lost+c.later-1)
			b.settle(t)
			if err := b.change(t.Context(), "-kept"); err != nil {
				t.Fatal(err)
			}
			if b.at != lost+c.later {
				t.Fatalf("the change is %d, want %d", b.at, lost+c.later)
			}
			b.pad(t, lost+c.after+room)
			if c.append {
				if err := a.change(t.Context(), "+more"); err != nil {
					t.Fatal(err)
				}
			}
			a.Raise(lost + c.after + room)
			var err error
			eventually(t, "the store reads, or says that it cannot", func() bool {
				_, err = a.Replay(t.Context(), a.at, a.apply)
				return err == nil || errors.Is(err, clusterstore.ErrReplaced)
			})
			if !errors.Is(err, clusterstore.ErrReplaced) {
				t.Errorf("error %v, want %v; the node has %v, and the other one %v", err, clusterstore.ErrReplaced, a.names, b.names)
			}
			if _, err := a.Append(t.Context(), a.at, []byte("+x")); !errors.Is(err, clusterstore.ErrReplaced) {
				t.Errorf("append: %v", err)
			}
		})
	}
}
