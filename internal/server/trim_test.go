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

func TestWorthTrimming(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		free, objects, live, stacks uint64
		want                        bool
	}{
		{0, 20 * mib, 20 * mib, 30 * mib, false},
		{30 * mib, 20 * mib, 20 * mib, 30 * mib, true},    // free pages
		{0, 50 * mib, 20 * mib, 30 * mib, true},           // dead objects
		{7 * mib, 4 * mib, 4 * mib, 1 * mib, false},       // too little to be worth it
		{60 * mib, 200 * mib, 200 * mib, 50 * mib, false}, // too little beside what is in use
		{30 * mib, 20 * mib, 25 * mib, 30 * mib, true},    // less there than the last collection found
	} {
		if got := worthTrimming(c.free, c.objects, c.live, c.stacks); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestAStormIsNotQuiet(t *testing.T) {
	tr := newTrimmer()
	tr.look()
	tr.last -= trimQuiet // as if that much had been allocated since
	if _, _, due := tr.look(); due {
		t.Error("trims in the middle of a storm")
	}
}
