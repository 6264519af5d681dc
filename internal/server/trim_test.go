package server

import (
	"runtime/debug"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for used, want := range map[uint64]int{0: 400, 1 << 20: 400, 24 << 20: 400, 48 << 20: 200, 96 << 20: 100, 10 << 30: 100} {
		if got := percentFor(used); got != want {
			t.Errorf("%d bytes in use: %d, want %d", used, got, want)
		}
	}
}

func TestGOGCIsTheOperators(t *testing.T) {
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "77")
	newTrimmer().setPercent(400)
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("the GC percentage is %d", got)
	}
}

// ballast keeps what TestTrimmerLooks allocates from being optimised away.
var ballast [][]byte

func TestTrimmerLooks(t *testing.T) {
	tr := newTrimmer()
	tr.look()
	ballast = nil
	for range 64 {
		ballast = append(ballast, make([]byte, 1<<20))
	}
	if _, _, due := tr.look(); due {
		t.Error("trims in the middle of a storm")
	}
	ballast = nil
	if _, _, due := tr.look(); !due {
		t.Error("does not trim when it is quiet and 64 MiB are dead")
	}
	debug.FreeOSMemory()
	if _, _, due := tr.look(); due {
		t.Error("trims when there is nothing to give back")
	}
}
