package clusterstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
)

// BenchmarkRevocation measures the time from the revocation of a token at one authority until another
// one has applied it. Each of the two stores is on a server of its own, and three servers keep the
// lines.
func BenchmarkRevocation(b *testing.B) {
	all := natstest.StartCluster(b, 3)
	one, two := options("n1", all...), options("n2", all...)
	one.Servers.URLs, two.Servers.URLs = natstest.URLs(all[0]), natstest.URLs(all[1])
	first, second := openAuthority(b, one), openAuthority(b, two)
	applied := make(sessions, 16)
	second.Attach(applied)
	var times []time.Duration
	for b.Loop() {
		_, made, err := first.CreateToken(auth.Token{User: "u"})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if _, err := first.Revoke(auth.Revocation{Token: made.ID}); err != nil {
			b.Fatal(err)
		}
		<-applied
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
}

// sessions receive a value for each revocation by another authority.
type sessions chan struct{}

func (s sessions) RevokeSessions(func(*access.Grant) bool, time.Duration) int {
	s <- struct{}{}
	return 0
}

func (s sessions) Regrant(*access.Grant) int { return 0 }

// BenchmarkReplay measures how long a new store takes to read 100,000 lines, each of which is a message
// of its own.
func BenchmarkReplay(b *testing.B) {
	const lines, most = 100_000, 1000
	s := natstest.Start(b)
	writer := openStore(b, options("n1", s))
	defer writer.Close()
	nothing := func([]byte) error { return nil }
	at, err := writer.Replay(b.Context(), 0, nothing)
	if err != nil {
		b.Fatal(err)
	}
	for i := range lines {
		if at, err = writer.Append(b.Context(), at, fmt.Appendf(nil, `{"op":"token","id":"%032d","hash":"%0200d"}`, i, i)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		reader := openStore(b, options("n2", s))
		n := 0
		if _, err := reader.Replay(b.Context(), 0, func([]byte) error { n++; return nil }); err != nil || n != lines {
			b.Fatal(n, err)
		}
		reader.Close()
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
