package channellog

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// A fakeStore is a store in memory. The place of a publication is the size of its data.
type fakeStore struct {
	offsets []uint64
	sizes   []int64
	at      []clock.Mono
}

func (s *fakeStore) Len() int                  { return len(s.offsets) }
func (s *fakeStore) Size(i int) int64          { return s.sizes[i] }
func (s *fakeStore) Accepted(i int) clock.Mono { return s.at[i] }

func (s *fakeStore) Append(offset, place uint64) {
	s.offsets, s.sizes, s.at = append(s.offsets, offset), append(s.sizes, int64(place)), append(s.at, clock.Now())
}

func (s *fakeStore) Drop(n int) (floor uint64) {
	floor = s.offsets[n-1]
	s.offsets, s.sizes, s.at = s.offsets[n:], s.sizes[n:], s.at[n:]
	return floor
}

// A storedTable is a table whose logs have fake stores, and what a test does with it.
type storedTable struct {
	*testing.T
	*Table
}

func withStores(t *testing.T, o Options, test func(t *storedTable)) {
	synctest.Test(t, func(t *testing.T) {
		o.Store = func(channel string, _ engine.Retention) Store {
			if channel == "memory" {
				return nil
			}
			return &fakeStore{}
		}
		table := New(o)
		defer table.Close()
		test(&storedTable{t, table})
	})
}

// reserve reserves an offset for a message with a key.
func (t *storedTable) reserve(channel, data, key string) (*Log, uint64, error) {
	l := t.Log(channel)
	l.Lock()
	defer l.Unlock()
	offset, err := l.Reserve(t.Table, t.Key(&engine.Message{Data: []byte(data), Key: key}), clock.Now())
	return l, offset, err
}

// commit commits a message that was reserved.
func (t *storedTable) commit(l *Log, offset uint64, data string) {
	t.Commit(l, &engine.Publication{Offset: offset, Data: []byte(data)}, clock.Now(), uint64(len(data)))
	t.Trim()
}

func (t *storedTable) publish(channel, data string) uint64 {
	t.Helper()
	l, offset, err := t.reserve(channel, data, "")
	if err != nil {
		t.Fatal(err)
	}
	t.commit(l, offset, data)
	return offset
}

// bounds is what a test compares of a log.
type bounds struct {
	Floor, Head    uint64
	Stored, Newest int
	Bytes, Used    int64
}

func (t *storedTable) want(channel string, want bounds) {
	t.Helper()
	l, _ := t.Find(channel)
	l.Lock()
	defer l.Unlock()
	got := bounds{l.Floor(), l.Head(), l.Store().Len(), len(l.Newest()), l.bytes, 0}
	if want.Used != 0 {
		got.Used = t.used.Load()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got): %s", channel, diff)
	}
}

func TestReservedMessagesAreNotVisible(t *testing.T) {
	withStores(t, Options{}, func(t *storedTable) {
		t.publish("a", "one")
		var delivered []uint64
		_, head, stop, err := t.Follow("a", deliverFunc(func(p *engine.Publication) { delivered = append(delivered, p.Offset) }))
		if err != nil || head != 1 {
			t.Fatal(head, err)
		}
		defer stop()
		l, second, _ := t.reserve("a", "two", "")
		_, third, _ := t.reserve("a", "three", "")
		t.want("a", bounds{Head: 1, Stored: 1, Newest: 1, Bytes: 3})
		if len(delivered) > 0 {
			t.Errorf("%v were delivered before they were committed", delivered)
		}
		t.commit(l, second, "two")
		t.commit(l, third, "three")
		t.want("a", bounds{Head: 3, Stored: 3, Newest: 3, Bytes: 11})
		if diff := cmp.Diff([]uint64{2, 3}, delivered); diff != "" {
			t.Error(diff)
		}
	})
}

// A batch that fails is taken back from its end, and the next message gets its first offset.
func TestCancel(t *testing.T) {
	withStores(t, Options{}, func(t *storedTable) {
		t.publish("a", "one")
		before := t.Stats()
		for range 3 {
			var l *Log
			for i := range 4 {
				l, _, _ = t.reserve("a", "more", []string{"", "k"}[i%2]+[]string{"", "1", "", "2"}[i])
			}
			if _, offset, err := t.reserve("a", "more", "k1"); err != ErrDuplicate || offset != 3 {
				t.Fatalf("a duplicate of a message that is being written: %d, %v", offset, err)
			}
			l.Lock()
			for offset := uint64(5); offset > 1; offset-- {
				t.Cancel(l, offset-1)
			}
			l.Unlock()
		}
		if diff := cmp.Diff(before, t.Stats()); diff != "" {
			t.Errorf("the statistics changed: %s", diff)
		}
		l, offset, err := t.reserve("a", "other", "k1")
		if offset != 2 || err != nil {
			t.Errorf("after the failures: offset %d, %v; want 2", offset, err)
		}
		t.commit(l, offset, "other")
		t.want("a", bounds{Head: 2, Stored: 2, Newest: 2, Bytes: 8})
		if l.reserved != 0 {
			t.Errorf("%d messages are reserved, want none", l.reserved)
		}
	})
}

// Only the keys of messages that failed are forgotten.
func TestCancelKeepsCommittedKeys(t *testing.T) {
	withStores(t, Options{}, func(t *storedTable) {
		l, first, _ := t.reserve("a", "one", "k1")
		t.commit(l, first, "one")
		t.reserve("a", "two", "k2")
		l.Lock()
		t.Cancel(l, 1)
		l.Unlock()
		if _, offset, err := t.reserve("a", "one", "k1"); offset != first || err != ErrDuplicate {
			t.Errorf("the committed message again: %d, %v", offset, err)
		}
		if _, offset, err := t.reserve("a", "other", "k2"); offset != 2 || err != nil {
			t.Errorf("the failed key with another message: %d, %v", offset, err)
		}
	})
}

// Above the ceiling, copies in memory are freed and the store keeps its publications.
func TestCopiesAreFreed(t *testing.T) {
	withStores(t, Options{Memory: 10_000}, func(t *storedTable) {
		for range 100 {
			t.publish("a", fmt.Sprintf("%01000d", 0))
		}
		l, _ := t.Find("a")
		l.Lock()
		newest := len(l.Newest())
		l.Unlock()
		if newest > 9 || newest < 5 {
			t.Errorf("%d publications are in memory", newest)
		}
		t.want("a", bounds{Head: 100, Stored: 100, Newest: newest, Bytes: 100_000})
		if s := t.Stats(); s.Publications != 100 || s.Evicted != 0 || s.Bytes > 10_000 {
			t.Errorf("%+v", s)
		}
		if got, want := t.Fixed(), int64(logOverhead+1+100*StoredOverhead); got != want {
			t.Errorf("%d bytes are not those of publications, want %d", got, want)
		}
	})
}

// The limits of a channel count what is stored and what is in memory together.
func TestLimitsOfAStore(t *testing.T) {
	withStores(t, Options{Memory: 3000, Messages: 50, Bytes: 20_000, Age: time.Minute}, func(t *storedTable) {
		for range 30 {
			t.publish("a", fmt.Sprintf("%01000d", 0))
		}
		if s := t.Stats(); s.Publications != 20 || s.EvictedBounds != 10 {
			t.Errorf("over the limit of bytes: %+v", s)
		}
		for range 100 {
			t.publish("b", "1")
		}
		if s := t.Stats(); s.Publications != 70 || s.EvictedBounds != 60 {
			t.Errorf("over the limit of messages: %+v", s)
		}
		<-time.After(2 * time.Minute)
		if s := t.Stats(); s.Publications != 0 || s.EvictedAge != 70 {
			t.Errorf("after their age: %+v", s)
		}
		<-time.After(2 * time.Hour)
		if s := t.Stats(); s.Channels != 0 || s.Bytes != 0 || t.Fixed() != 0 {
			t.Errorf("after all is forgotten: %+v, %d bytes fixed", s, t.Fixed())
		}
		if head := t.EmptyHead(); head != 100 {
			t.Errorf("logs start at %d, want 100", head)
		}
		if offset := t.publish("b", "1"); offset <= 100 {
			t.Errorf("offset %d is used again", offset)
		}
	})
}

// A log with a message that is being written is not forgotten, however long that takes.
func TestReservedLogIsNotForgotten(t *testing.T) {
	withStores(t, Options{}, func(t *storedTable) {
		l, offset, _ := t.reserve("a", "one", "k")
		<-time.After(24 * time.Hour)
		if _, again, err := t.reserve("a", "one", "k"); err != ErrDuplicate || again != offset {
			t.Errorf("a duplicate after a day of writing: %d, %v", again, err)
		}
		t.commit(l, offset, "one")
		t.want("a", bounds{Head: 1, Stored: 1, Newest: 1, Bytes: 3})
	})
}

func TestRestore(t *testing.T) {
	withStores(t, Options{KeyWindow: time.Minute, Memory: 100_000}, func(t *storedTable) {
		t.StartAt(10)
		l := t.Log("a")
		l.Lock()
		for i := range uint64(3) {
			l.Store().(*fakeStore).Append(20+i, 100)
		}
		l.Restored(t.Table, 3, 300, 19, 22, 30)
		for i, key := range []string{"k1", "k2", "k1"} { // used again after it had expired
			k := t.Key(&engine.Message{Data: []byte{byte(i)}, Key: key})
			if err := l.RestoreKey(t.Table, k, 20+uint64(i), clock.Now()); err != nil {
				t.Error(err)
			}
		}
		l.Unlock()
		t.want("a", bounds{Floor: 19, Head: 22, Stored: 3, Bytes: 300, Used: logOverhead + 1 + 3*StoredOverhead + keysOverhead + 2*(keyOverhead+2)})
		if s := t.Stats(); s.Publications != 3 || s.Keys != 2 || s.Channels != 1 {
			t.Errorf("%+v", s)
		}
		if _, offset, err := t.reserve("a", "\x02", "k1"); err != ErrDuplicate || offset != 22 {
			t.Errorf("the key that was used twice: %d, %v; want 22", offset, err)
		}
		if _, _, err := t.reserve("a", "\x00", "k1"); !errors.Is(err, engine.ErrKeyReused) {
			t.Errorf("the key with its first message: %v", err)
		}
		if offset := t.publish("a", "x"); offset != 31 {
			t.Errorf("the next offset is %d, want 31", offset)
		}
		t.want("a", bounds{Floor: 19, Head: 31, Stored: 4, Newest: 1, Bytes: 301})
		if offset := t.publish("b", "x"); offset != 11 {
			t.Errorf("another channel starts at %d, want 11", offset)
		}
		<-time.After(2 * time.Minute)
		if s := t.Stats(); s.Keys != 0 {
			t.Errorf("%d keys are left", s.Keys)
		}
		l.Lock()
		l.DropOldest(t.Table, 4, EvictedDisk)
		l.Unlock()
		t.want("a", bounds{Floor: 31, Head: 31})
		if s := t.Stats(); s.EvictedDisk != 4 || s.Evicted != 4 || s.Publications != 1 {
			t.Errorf("%+v", s)
		}
		if head := t.EmptyHead(); head != 31 {
			t.Errorf("logs start at %d, want 31", head)
		}
	})
}

// A publisher whose log was forgotten between the look-up and the lock looks up the next one.
func TestForgottenLog(t *testing.T) {
	withStores(t, Options{}, func(t *storedTable) {
		l := t.Log("a")
		l.Lock()
		l.Expire(t.Table)
		l.Unlock()
		<-time.After(3 * time.Hour)
		l.Lock()
		defer l.Unlock()
		if _, err := l.Reserve(t.Table, Key{}, clock.Now()); err != ErrForgotten {
			t.Errorf("got %v, want ErrForgotten", err)
		}
	})
}

// Channels without a store are in the same table.
func TestMemoryBesideStores(t *testing.T) {
	withStores(t, Options{}, func(t *storedTable) {
		t.publish("a", "one")
		ack, err := t.Table.Publish("memory", engine.Message{Data: []byte("two")})
		if err != nil || ack.Position.Epoch != t.Epoch() {
			t.Errorf("%+v, %v", ack, err)
		}
		h, err := t.Read("memory", engine.Position{}, engine.Limit{Messages: 10})
		if err != nil || len(h.Publications) != 1 || string(h.Publications[0].Data) != "two" {
			t.Errorf("%+v, %v", h, err)
		}
		visited := 0
		t.Each(func(l *Log) bool {
			if visited++; l.Name() != "a" {
				t.Errorf("visited %s", l.Name())
			}
			return true
		})
		if visited != 1 {
			t.Errorf("%d logs were visited, want 1", visited)
		}
	})
}

// A deliverFunc is a follower.
type deliverFunc func(*engine.Publication)

func (f deliverFunc) Deliver(p *engine.Publication) { f(p) }

func (f deliverFunc) Reset(engine.Position, error) { panic("reset") }
