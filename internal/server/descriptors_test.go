package server

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShareOut(t *testing.T) {
	for _, c := range []struct {
		limit, maxConnections, api, history int
		want                                descriptors
	}{
		{0, 0, 0, 0, descriptors{0, 0, 1024, 1024, 0, 0}},
		{0, 5000, 300, 0, descriptors{0, 5000, 1024, 300, 0, 0}},
		{64, 0, 0, 0, descriptors{64, 1, 24, 24, 16, 0}},
		{256, 0, 0, 0, descriptors{256, 192, 24, 24, 16, 0}},
		{1024, 0, 0, 0, descriptors{1024, 768, 96, 96, 64, 0}},
		{1024, 100, 0, 0, descriptors{1024, 100, 96, 96, 64, 0}},
		{1024, 100_000, 0, 0, descriptors{1024, 768, 96, 96, 64, 0}},
		{1024, 0, 500, 0, descriptors{1024, 364, 96, 500, 64, 0}},
		{1024, 0, 100_000, 0, descriptors{1024, 352, 96, 512, 64, 0}},
		{1024, 0, 0, 80, descriptors{1024, 688, 96, 96, 144, 80}},
		{64, 0, 0, 80, descriptors{64, 1, 24, 24, 96, 80}},
		{0, 0, 0, 80, descriptors{0, 0, 1024, 1024, 0, 80}},
		{1 << 20, 0, 0, 0, descriptors{1 << 20, 1<<20 - 1<<16, 32640, 32640, 256, 0}},
	} {
		got := shareOut(c.limit, c.maxConnections, c.api, c.history)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(descriptors{})); diff != "" {
			t.Errorf("%d, %d, %d, %d (-want +got):\n%s", c.limit, c.maxConnections, c.api, c.history, diff)
		}
		if sum := got.sessions + got.handshakes + got.api + got.files; c.limit > minReserved+c.history && sum > c.limit {
			t.Errorf("%d descriptors are shared out of %d", sum, c.limit)
		}
	}
}

// TestAddressHandshakes: one address may use only a part of the room, and its handshakes cannot use
// up the memory.
func TestAddressHandshakes(t *testing.T) {
	for room, want := range map[int]int{1: minPeer, 400: 100, 4096: 1024, 32_640: 1024} {
		if got := addressHandshakes(room); got != want {
			t.Errorf("%d descriptors: %d for one address, want %d", room, got, want)
		}
	}
}
