package ws

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		offers []string
		answer string
		want   compression
	}{
		{[]string{"permessage-deflate"}, "permessage-deflate; client_no_context_takeover", compression{15, true, noContext}},
		{[]string{"permessage-deflate; client_max_window_bits"}, "permessage-deflate; client_max_window_bits=10", compression{15, true, 10}},
		{[]string{"permessage-deflate; client_max_window_bits=9"}, "permessage-deflate; client_max_window_bits=9", compression{15, true, 9}},
		{[]string{"permessage-deflate; client_max_window_bits=8"}, "permessage-deflate; client_max_window_bits=8", compression{15, true, 9}},
		{[]string{"permessage-deflate; client_max_window_bits; client_no_context_takeover"}, "permessage-deflate; client_no_context_takeover", compression{15, true, noContext}},
		{
			[]string{`permessage-deflate ; server_max_window_bits = "12";server_no_context_takeover; client_max_window_bits="1\2"`},
			"permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=10",
			compression{12, false, 10},
		},
		{
			[]string{"x-other; a=b", "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=8, permessage-deflate"},
			"permessage-deflate; server_max_window_bits=8; client_no_context_takeover",
			compression{8, true, noContext},
		},

		{nil, "", compression{}},
		{[]string{""}, "", compression{}},
		{[]string{"permessage-bzip2"}, "", compression{}},
		{[]string{"PERMESSAGE-DEFLATE"}, "", compression{}},
		{[]string{"permessage-deflate; unknown"}, "", compression{}},
		{[]string{"permessage-deflate; server_no_context_takeover=1"}, "", compression{}},
		{[]string{"permessage-deflate; client_no_context_takeover=true"}, "", compression{}},
		{[]string{"permessage-deflate; server_max_window_bits"}, "", compression{}},
		{[]string{"permessage-deflate; server_max_window_bits=7"}, "", compression{}},
		{[]string{"permessage-deflate; server_max_window_bits=16"}, "", compression{}},
		{[]string{"permessage-deflate; server_max_window_bits=010"}, "", compression{}},
		{[]string{"permessage-deflate; server_max_window_bits=+10"}, "", compression{}},
		{[]string{"permessage-deflate; client_max_window_bits=7"}, "", compression{}},
		{[]string{"permessage-deflate; client_max_window_bits=300"}, "", compression{}},
		{[]string{"permessage-deflate; client_max_window_bits=x"}, "", compression{}},
		{[]string{"permessage-deflate; client_max_window_bits; client_max_window_bits"}, "", compression{}},
		{[]string{"permessage-deflate; client_max_window_bits=9; client_max_window_bits"}, "", compression{}},
		{[]string{"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"}, "", compression{}},
		{[]string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, "", compression{}},
		{[]string{"permessage-deflate; client_no_context_takeover; client_no_context_takeover"}, "", compression{}},
	} {
		if !validExtensions(c.offers) {
			t.Errorf("%q is not a list of extensions", c.offers)
		}
		answer, got := negotiate(c.offers)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(compression{})); diff != "" || answer != c.answer {
			t.Errorf("%q: answer %q, want %q %s", c.offers, answer, c.answer, diff)
		}
	}
}

// FuzzNegotiate checks that the answer to any header can be accepted by a client.
func FuzzNegotiate(f *testing.F) {
	for _, offer := range offers()[:20] {
		f.Add(offer)
	}
	f.Add(`a; b="10"; c = 11 ,, permessage-deflate;server_max_window_bits="\1\2"`)
	f.Fuzz(func(t *testing.T, header string) {
		if !validExtensions([]string{header}) {
			return
		}
		answer, got := negotiate([]string{header})
		if (answer == "") != (got == compression{}) {
			t.Fatalf("answer %q, agreed on %+v", answer, got)
		}
		if answer == "" {
			return
		}
		want := []string{extension}
		if !got.context {
			want = append(want, serverNoContext)
		}
		bits := fmt.Sprintf("%s=%d", serverBits, got.bits)
		switch {
		case strings.Contains(answer, bits):
			want = append(want, bits)
		case got.bits != maxBits:
			t.Errorf("agreed on %d bits, and answered %q", got.bits, answer)
		}
		switch kept := got.clientBits; {
		case kept == noContext:
			want = append(want, clientNoContext)
		case kept == 9 && strings.HasSuffix(answer, "=8"):
			want = append(want, clientBits+"=8")
		default:
			want = append(want, fmt.Sprintf("%s=%d", clientBits, kept))
		}
		if diff := cmp.Diff(want, strings.Split(answer, "; "), cmpopts.SortSlices(strings.Compare)); diff != "" || got.bits < 8 || got.bits > 15 || got.clientBits > 10 {
			t.Errorf("agreed on %+v, and answered %q", got, answer)
		}
	})
}
