package boreas

import (
	"math"
	"net/url"
	"strings"
	"testing"
)

func TestSessionIDs(t *testing.T) {
	for _, node := range []string{"", "n1", "0", "abcdefghijklmnop"} {
		for _, number := range []uint64{0, 31, 32, 1 << 40, math.MaxUint64} {
			id := sessionID(node, number)
			gotNode, gotNumber, ok := parseSessionID(id)
			if gotNode != node || gotNumber != number || !ok {
				t.Errorf("%s: node %q, number %d, %v, want %q, %d", id, gotNode, gotNumber, ok, node, number)
			}
			if url.PathEscape(id) != id || url.QueryEscape(id) != id || len(id) > 64 {
				t.Errorf("%s needs escaping, or is too long", id)
			}
		}
	}
	if id := sessionID("n1", 64); id != "s_n1_20" {
		t.Error(id)
	}
}

func TestSessionNode(t *testing.T) {
	for id, want := range map[string]string{"s_0": "", "s_2k": "", "s_n1_2k": "n1", "s_0_0": "0", "s_abcdefghijklmnopqrstuvwxyz-01234_0": "abcdefghijklmnopqrstuvwxyz-01234", "s_N1_2k": "N1", "s_n-1_2k": "n-1"} {
		if node, ok := SessionNode(id); node != want || !ok {
			t.Errorf("%q: %q, %v", id, node, ok)
		}
	}
	for _, id := range []string{
		"", "s", "s_", "x_1", "S_1", "2k", "s_2K", "s_02k", "s_+1", "s_w", "s_-1", "s__2k", "s_n1_", "s_n1_02k", "s_n1_2K", "s_n1_n2_2k",
		"s_n.1_2k", "s_ñ_2k", "s_n1_2k ", " s_n1_2k", "s_abcdefghijklmnopqrstuvwxyz-012345_0", "s_n1_g" + strings.Repeat("0", 12),
	} {
		if node, ok := SessionNode(id); node != "" || ok {
			t.Errorf("%q: %q, %v", id, node, ok)
		}
	}
}

func TestValidNode(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "n1": true, "1": true, "abcdefghijklmnopABCDEFGHIJKLMNOP": true, "abcdefghijklmnopABCDEFGHIJKLMNOPq": false,
		"N1": true, "n_1": false, "n-1": true, "n 1": false, "é": false, "n\x00": false,
	} {
		if ValidNode(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, `"n_1"`) {
			t.Errorf("New panics with %q", p)
		}
	}()
	New(Options{Node: "n_1"})
}
