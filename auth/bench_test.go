package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// BenchmarkCheckOpaque checks 15,000 tokens in turn.
func BenchmarkCheckOpaque(b *testing.B) {
	for _, revocations := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("revocations=%d", revocations), func(b *testing.B) {
			a := open(b, Options{})
			texts := make([]string, 15_000)
			for i := range texts {
				texts[i], _ = create(b, a, Token{User: fmt.Sprintf("user-%d", i), Key: "key_0123456789abcdef"})
			}
			size := revokeMany(b, a, revocations)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := a.Check(access.Credentials{Token: texts[i%len(texts)]}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(max(size, 0))/(1<<20), "MiB-revocations")
		})
	}
}

// BenchmarkValid checks whether grants are valid, with a million revocations.
func BenchmarkValid(b *testing.B) {
	a := open(b, Options{})
	grants := make([]*access.Grant, 15_000)
	for i := range grants {
		text, _ := create(b, a, Token{User: fmt.Sprintf("user-%d", i), Key: "key_0123456789abcdef"})
		grants[i] = grant(b, a, text)
	}
	revokeMany(b, a, 1_000_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := a.Valid(grants[i%len(grants)]); err != nil {
			b.Fatal(err)
		}
	}
}

// revokeMany revokes users, tokens and keys that do not exist. It returns the memory that the
// revocations use.
func revokeMany(b *testing.B, a *Authority, n int) int64 {
	b.Helper()
	before := heapSize()
	for i := range n {
		r := Revocation{User: fmt.Sprintf("other-%d", i)}
		switch i % 3 {
		case 0:
			r = Revocation{Key: fmt.Sprintf("kid-%d", i)}
		case 1:
			r = Revocation{Token: "jwt_" + nameOf(fmt.Sprint(i))}
		}
		revoke(b, a, r)
	}
	return heapSize() - before
}

func heapSize() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCreateOnDisk creates opaque tokens, and waits until each one is on disk.
func BenchmarkCreateOnDisk(b *testing.B) {
	a := open(b, Options{DataDir: b.TempDir()})
	for b.Loop() {
		create(b, a, Token{User: "u1"})
	}
}

// BenchmarkLoadMillion opens a directory with a million revocations.
func BenchmarkLoadMillion(b *testing.B) {
	dir := b.TempDir()
	s := newState()
	for i := range 1_000_000 {
		s.revocations.put(targetOf(targetUser, fmt.Sprint(i)), span{before: time.Now().UnixNano(), until: forever})
	}
	made, err := writeState(filepath.Join(dir, journalName), s)
	if err != nil {
		b.Fatal(err)
	}
	made.file.Close() //nolint:errcheck // it has been synced
	s = nil
	for b.Loop() {
		before := heapSize()
		a, err := Open(Options{DataDir: dir})
		if err != nil || a.Revocations() != 1_000_000 {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heapSize()-before)/(1<<20), "MiB")
		shut(b, a)
	}
	b.ReportMetric(float64(made.size)/(1<<20), "MiB-on-disk")
	os.RemoveAll(dir) //nolint:errcheck // b.TempDir does
}
