package boreas_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// manyChannels returns a hub with n channels; each has one session.
func manyChannels(b *testing.B, n int) *boreas.Hub {
	b.Helper()
	hub := boreas.New(boreas.Options{})
	b.Cleanup(func() { hub.Shutdown(context.Background(), 0) })
	for i := 0; i < n; {
		s, _, err := boreastest.Open(hub)
		if err != nil {
			b.Fatal(err)
		}
		s.Authenticate(boreastest.Grant("a", "u"))
		var joins []boreas.Join
		for ; i < n && len(joins) < boreas.DefaultMaxChannels; i++ {
			joins = append(joins, boreas.Join{Channel: fmt.Sprintf("user.%d", i)})
		}
		s.Join(context.Background(), joins, nil)
	}
	return hub
}

// BenchmarkPublishApart publishes from several goroutines, each on its own channel, and counts the
// subscribers as the API does.
func BenchmarkPublishApart(b *testing.B) {
	hub := manyChannels(b, 1000)
	var next atomic.Int64
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		channel := fmt.Sprintf("user.%d", next.Add(1))
		m := engine.Message{Data: []byte(`"hello"`)}
		for pb.Next() {
			if _, err := hub.Publish(context.Background(), channel, m); err != nil {
				b.Fatal(err)
			}
			hub.Subscribers(channel)
		}
	})
}

// BenchmarkInspect inspects a hub with 400,000 channels.
func BenchmarkInspect(b *testing.B) {
	hub := manyChannels(b, 400_000)
	ctx := context.Background()
	for name, look := range map[string]func() error{
		"Stats": func() error { hub.Stats(); return nil },
		"ListChannels": func() error {
			_, _, err := hub.ListChannels(ctx, "", "", 100)
			return err
		},
		"ListChannels/prefix": func() error {
			_, _, err := hub.ListChannels(ctx, "user.39", "user.392", 100)
			return err
		},
		"ListSessions": func() error {
			_, _, err := hub.ListSessions("", 100)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := look(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJoinApart joins and leaves channels from several goroutines, each its own channel.
func BenchmarkJoinApart(b *testing.B) {
	hub := manyChannels(b, 1000)
	var next atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		s, _, err := boreastest.Open(hub)
		if err != nil {
			b.Fatal(err)
		}
		s.Authenticate(boreastest.Grant("a", "u"))
		channel := fmt.Sprintf("own.%d", next.Add(1))
		joins := []boreas.Join{{Channel: channel}}
		for pb.Next() {
			s.Join(context.Background(), joins, nil)
			s.Leave(channel)
		}
	})
}

// BenchmarkJoinPresence joins and leaves a channel with presence, on which no other session is, or
// one.
func BenchmarkJoinPresence(b *testing.B) {
	rules := new(boreas.Rules).Add(boreastest.Pattern("**"), boreas.Rule{Presence: boreas.PresenceFull})
	for _, others := range []int{0, 1} {
		b.Run(fmt.Sprint("others=", others), func(b *testing.B) {
			hub := boreas.New(boreas.Options{Rules: rules})
			b.Cleanup(func() { hub.Shutdown(context.Background(), 0) })
			joins := []boreas.Join{{Channel: "room"}}
			var s *boreas.Session
			for range others + 1 {
				var err error
				if s, _, err = boreastest.Open(hub); err != nil {
					b.Fatal(err)
				}
				s.Authenticate(boreastest.Grant("a", "u"))
				s.Join(context.Background(), joins, nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Leave("room")
				s.Join(context.Background(), joins, nil)
			}
		})
	}
}

// BenchmarkJoinJoined joins a channel that the session has joined already, as many times as fit in
// one message. The session has 1,000 channels.
func BenchmarkJoinJoined(b *testing.B) {
	hub := boreas.New(boreas.Options{})
	b.Cleanup(func() { hub.Shutdown(context.Background(), 0) })
	s, _, err := boreastest.Open(hub)
	if err != nil {
		b.Fatal(err)
	}
	s.Authenticate(boreastest.Grant("a", "u"))
	var joins []boreas.Join
	for i := range boreas.DefaultMaxChannels {
		joins = append(joins, boreas.Join{Channel: fmt.Sprintf("user.%d", i)})
	}
	s.Join(context.Background(), joins, nil)
	again := make([]boreas.Join, 3420)
	for i := range again {
		again[i].Channel = "user.999"
	}
	for b.Loop() {
		s.Join(context.Background(), again, nil)
	}
}

// sink is a Conn that accepts all bytes and discards them. The last expected byte signals done.
type sink struct {
	session *boreas.Session
	left    *atomic.Int64 // expected bytes of all sinks together
	done    chan<- struct{}
}

func (s *sink) TryWrite(p []byte) (int, error) {
	if s.left.Add(-int64(len(p))) == 0 {
		s.done <- struct{}{}
	}
	return len(p), nil
}

func (s *sink) WaitWritable(time.Duration) error { return nil }

func (s *sink) Finish(error, bool) { go s.session.Done() }

// fixed is [boreastest.Text] with publications of one size, and without the cost of package fmt.
type fixed struct{ boreastest.Text }

func (fixed) AppendPublication(dst []byte, channel string, _ uint64, p *engine.Publication) []byte {
	return append(append(append(dst, channel...), p.Data...), '\n')
}

// BenchmarkDeliverSeveral publishes bursts to 2,000 sessions, each on 20 of 200 channels. So each
// write has publications of several channels, and no session shares its bytes with another.
func BenchmarkDeliverSeveral(b *testing.B) {
	const sessions, channels, each, burst = 2000, 200, 20, 100
	hub := boreas.New(boreas.Options{})
	b.Cleanup(func() { hub.Shutdown(context.Background(), 0) })
	names := make([]string, channels)
	for i := range names {
		names[i] = fmt.Sprintf("room.%03d", i)
	}
	var left atomic.Int64
	done := make(chan struct{}, 1)
	for i := range sessions {
		s, err := hub.Reserve(netip.Addr{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Start(&sink{s, &left, done}, fixed{}, nil); err != nil {
			b.Fatal(err)
		}
		s.Authenticate(boreastest.Grant("a", "u"))
		var joins []boreas.Join
		for k := range each {
			joins = append(joins, boreas.Join{Channel: names[(i+11*k)%channels]}) // 11 spreads them
		}
		s.Join(context.Background(), joins, nil)
	}
	data := []byte(`"` + strings.Repeat("x", 100) + `"`)
	size := len(fixed{}.AppendPublication(nil, names[0], 0, &engine.Publication{Data: data}))
	const deliveries = burst * sessions * each / channels
	next := 0
	for b.Loop() {
		left.Store(int64(deliveries * size))
		for range burst {
			next = (next + 73) % channels // not the order of the joins
			if _, err := hub.Publish(context.Background(), names[next], engine.Message{Data: data}); err != nil {
				b.Fatal(err)
			}
		}
		<-done
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*deliveries), "ns/delivery")
}
