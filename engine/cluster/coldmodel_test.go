package cluster_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/cluster"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// A published message, as the model knows it.
type published struct {
	Offset uint64
	Data   string
}

// A coldModel is a stream, its nodes, and everything that was ever published there.
type coldModel struct {
	*rand.Rand
	js      jetstream.JetStream
	prefix  string
	urls    []string
	perNode []*cluster.Engine
	all     map[string][]published // by channel
	purged  map[string]uint64      // by channel: nothing up to this offset may be read
	whole   int                    // reads that returned everything after a position
	expired int                    // reads with the error ErrExpired
	aged    time.Duration          // the limit of the stream; 0 if it is long
}

// TestColdReadModel: a stream drops messages because of their number, their size and their age. Whatever
// a node has in memory, a read returns everything after a position, or says that messages are missing.
func TestColdReadModel(t *testing.T) {
	rounds := uint64(3)
	if os.Getenv("CLUSTER_FAULTS") != "" {
		rounds = 200
	}
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	whole, expired := 0, 0
	for seed := range rounds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := &coldModel{Rand: rand.New(rand.NewPCG(seed, 0)), js: js, prefix: fmt.Sprint("m", seed), urls: urls, all: map[string][]published{}, purged: map[string]uint64{}}
			m.run(t)
			whole, expired = whole+m.whole, expired+m.expired
		})
	}
	if whole == 0 || expired == 0 {
		t.Errorf("%d reads were whole and %d expired: the test tests nothing", whole, expired)
	}
	t.Logf("%d reads were whole and %d expired", whole, expired)
}

func (m *coldModel) run(t *testing.T) {
	makeStream(t, m.js, func(c *jetstream.StreamConfig) {
		c.Name, c.Subjects = strings.ToUpper(m.prefix), []string{m.prefix + ".ch.*"}
		c.MaxMsgsPerSubject = 2 + m.Int64N(12)
		if m.IntN(2) == 0 {
			c.MaxBytes = 8<<10 + m.Int64N(24<<10)
		}
		if m.IntN(3) == 0 {
			m.aged = time.Second
			c.MaxAge, c.Duplicates = m.aged, m.aged
		}
	})
	m.open(t)
	for range 25 {
		switch m.IntN(10) {
		case 0:
			if len(m.perNode) < 3 {
				m.open(t)
			}
		case 1:
			m.age(t)
		case 2:
			m.purge(t)
		default:
			m.publish(t, 1+m.IntN(30))
		}
		for range 6 {
			m.read(t)
		}
	}
	for _, e := range m.perNode {
		e.Close()
	}
}

// open opens another node, with little memory or much.
func (m *coldModel) open(t *testing.T) {
	o := cluster.Options{Replicas: 1, Servers: node(fmt.Sprint("n", len(m.perNode))), Memory: []int64{1, 4 << 10, 1 << 20}[m.IntN(3)]}
	o.Servers.Prefix = m.prefix
	m.perNode = append(m.perNode, open(t, o, m.urls...))
}

func (m *coldModel) channel() string { return fmt.Sprint("c", m.IntN(4)) }

// publish publishes messages, most of them on one channel.
func (m *coldModel) publish(t *testing.T, n int) {
	busy := m.channel()
	for range n {
		channel := busy
		if m.IntN(4) == 0 {
			channel = m.channel()
		}
		data := fmt.Sprint(len(m.all[channel]), " ", strings.Repeat("x", m.IntN(300)))
		ack, err := m.js.Publish(t.Context(), m.prefix+".ch."+channel, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		m.all[channel] = append(m.all[channel], published{ack.Sequence, data})
	}
}

// age waits until the stream has dropped something because of its age.
func (m *coldModel) age(t *testing.T) {
	if m.aged == 0 {
		return
	}
	first := func() uint64 {
		s, err := m.js.Stream(t.Context(), strings.ToUpper(m.prefix))
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.FirstSeq
	}
	before := first()
	eventually(t, "the stream drops a message", func() bool { return first() > before })
}

// purge purges a channel at a node, and waits until all nodes know.
func (m *coldModel) purge(t *testing.T) {
	channel := m.channel()
	at, err := m.perNode[m.IntN(len(m.perNode))].Purge(t.Context(), channel)
	if err != nil {
		t.Fatal(err)
	}
	m.purged[channel] = at.Offset
	for _, e := range m.perNode {
		if _, err := e.Read(t.Context(), channel, at, engine.Limit{}); err != nil && !errors.Is(err, engine.ErrExpired) {
			t.Fatal(err)
		}
	}
}

// read reads a part of a channel and compares it with the published messages.
func (m *coldModel) read(t *testing.T) {
	e, channel := m.perNode[m.IntN(len(m.perNode))], m.channel()
	all := m.all[channel]
	since := engine.Position{}
	if len(all) > 0 && m.IntN(8) > 0 {
		// Mostly a message that may be kept.
		since = engine.Position{Epoch: e.Status().Epoch, Offset: all[max(len(all)-1-m.IntN(20), 0)].Offset}
		if m.IntN(4) == 0 {
			since.Offset--
		}
	}
	limit := []engine.Limit{{Messages: 1000}, {Messages: 1000}, {Messages: 3}, {Messages: -3}, {Messages: 1000, Bytes: 300}}[m.IntN(5)]
	h, err := e.Read(t.Context(), channel, since, limit)
	for errors.Is(err, engine.ErrUnavailable) { // it took too long
		h, err = e.Read(t.Context(), channel, since, limit)
	}
	if errors.Is(err, engine.ErrExpired) && !since.IsZero() {
		m.expired++
		return
	}
	if err != nil {
		t.Fatalf("read %s since %v: %v", channel, since, err)
	}
	if !since.IsZero() {
		m.whole++
	}
	var want, got []published
	for _, p := range all {
		if p.Offset > max(since.Offset, h.Floor.Offset) && p.Offset <= h.Head.Offset {
			want = append(want, p)
		}
	}
	for _, p := range h.Publications {
		if p.Offset <= m.purged[channel] {
			t.Fatalf("read %s since %v: the message at %d, and everything up to %d was purged", channel, since, p.Offset, m.purged[channel])
		}
		got = append(got, published{p.Offset, string(p.Data)})
	}
	if !since.IsZero() && h.Floor.Offset > since.Offset {
		t.Errorf("read %s since %v: no error, and the floor is %v", channel, since, h.Floor)
	}
	switch {
	case limit.Messages < 0:
		want = want[max(len(want)+limit.Messages, 0):]
	case h.More && len(got) > 0: // the limit has left out later ones
		want = want[:min(len(got), len(want))]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("read %s since %v, limit %+v: floor %v, head %v (-published +read):\n%s", channel, since, limit, h.Floor, h.Head, diff)
	}
}

// The first messages that the servers have are before the floor, so a read with a limit must go on after
// them.
func TestFirstPageIsAfterFloor(t *testing.T) {
	urls := natstest.URLs(natstest.Start(t))
	_, js := dial(t, urls...)
	makeStream(t, js, func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 3 })
	for i := range 4 {
		rawPublish(t, js, "c", fmt.Sprint(i))
	}
	rawPublish(t, js, "d", "{}") // the only one that the node has in memory
	e := open(t, cluster.Options{Replicas: 1, Servers: node("a"), Memory: 1}, urls...)
	h, err := e.Read(t.Context(), "c", engine.Position{}, engine.Limit{Messages: 1})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range h.Publications {
		got = append(got, string(p.Data))
	}
	if diff := cmp.Diff([]string{"2"}, got); diff != "" || !h.More {
		t.Errorf("more %v (-want +got):\n%s", h.More, diff)
	}
}
