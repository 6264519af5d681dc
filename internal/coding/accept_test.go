package coding

import (
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	for accept, want := range map[string]Coding{
		"": Identity, "gzip": Gzip, "deflate": Deflate, "identity": Identity, "br": Identity, "gzipped": Identity, ",": Identity,
		"gzip, deflate, br": Deflate, "gzip, br, deflate;q=0.9": Gzip, "*": Deflate, "deflate, *": Deflate, "x-gzip": Gzip, "X-GZip": Gzip,
		"gzip;q=0": Identity, "gzip; q=0.0, *": Deflate, "*;q=0": Identity, "*;q=0, gzip": Gzip, "deflate;q=0, *": Gzip,
		"br, GZIP ;\tq=0.5": Gzip, "gzip;q=1.000": Gzip, "gzip;Q=0.001": Gzip, "gzip;q=0.5, deflate;q=0.4": Gzip, "deflate;q=0.5, gzip;q=0.5": Deflate,
		// What is no weight counts as 0.
		"gzip;q=x": Identity, "gzip;q=": Identity, "gzip;q": Identity, "gzip;q=2": Identity, "gzip;q=1.001": Identity, "gzip;q=0.0001": Identity,
		"gzip;q=-1": Identity, "gzip;q=+1": Identity, "gzip;q=0.-1": Identity, "gzip;q=1e0": Identity, "gzip;q=NaN": Identity, "gzip;q=0x1": Identity, "gzip;q=.5": Identity,
		"gzip;level=1;q=0": Identity, "gzip;level=1": Gzip, "gzip;q=0.": Identity, "gzip;q=1.": Gzip,
		// A client may prefer the plain body, or not accept it.
		"identity, gzip;q=0.5": Identity, "gzip;q=0.5, identity;q=0.5": Gzip, "gzip;q=0.5, identity;q=0.4": Gzip, "identity;q=0.5, *;q=0.4": Identity,
		"identity;q=0, *": Deflate, "identity;q=0": Identity, "identity;q=0, br": Identity,
		// The last one counts.
		"gzip;q=0, gzip": Gzip, "gzip, gzip;q=0": Identity,
	} {
		if got := Choose([]string{accept}, Deflate, Gzip); got != want {
			t.Errorf("%q: got %s, want %s", accept, got, want)
		}
	}
	for _, test := range []struct {
		accept []string
		want   Coding
	}{
		{nil, Identity},
		{[]string{"br", "gzip"}, Gzip},
		{[]string{"gzip;q=0", "*"}, Deflate},
		{[]string{"gzip", strings.Repeat("gzip;q=0;", 1<<16) + "q=0.5"}, Gzip},
		{[]string{strings.Repeat("br,", 1<<18) + "gzip"}, Gzip},
		{[]string{"gzip", strings.Repeat("g", 1<<20)}, Gzip},
	} {
		if got := Choose(test.accept, Deflate, Gzip); got != test.want {
			t.Errorf("%.40q: got %s, want %s", test.accept, got, test.want)
		}
	}
	for accept, want := range map[string]Coding{"gzip, deflate, br": Gzip, "deflate, *": Gzip, "deflate": Identity, "*;q=0.1": Gzip} {
		if got := Choose([]string{accept}, Gzip); got != want {
			t.Errorf("only gzip is offered, %q: got %s, want %s", accept, got, want)
		}
	}
	if got := Choose([]string{"deflate"}, Gzip, Deflate); got != Deflate {
		t.Errorf("deflate: got %s", got)
	}
}

func TestChooseAllocatesNothing(t *testing.T) {
	accept := []string{"gzip, deflate, br"}
	if n := testing.AllocsPerRun(100, func() { Choose(accept, Deflate, Gzip) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzChoose(f *testing.F) {
	for _, s := range []string{"", "gzip;q=0.5, *;q=0, identity", "x-gzip ; q=1.000;;=", "deflate;q=0.9\x00,\t"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		got := Choose([]string{one, two}, Deflate, Gzip)
		if joined := Choose([]string{one + "," + two}, Deflate, Gzip); joined != got {
			t.Errorf("in two headers %s, in one %s", got, joined)
		}
		switch lower := strings.ToLower(one + "," + two); {
		case got == Gzip && !strings.Contains(lower, "gzip") && !strings.Contains(lower, "*"), got == Deflate && !strings.Contains(lower, "deflate") && !strings.Contains(lower, "*"):
			t.Errorf("chose %s, which the client does not name", got)
		}
		if excluded := Choose([]string{one, two, "gzip;q=0, deflate;q=0"}, Deflate, Gzip); excluded != Identity {
			t.Errorf("chose %s, which the client excludes", excluded)
		}
	})
}
