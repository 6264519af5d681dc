package disk

import (
	"testing"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// TestZerosAreWrittenAhead: once for many small batches, and never for large ones.
func TestZerosAreWrittenAhead(t *testing.T) {
	fsys := newFaultFS(1)
	e := openFaulty(t, faultSettings(fsys, Options{DiskFree: -1}, 1<<20))
	defer e.Close()
	writes := func(messages, size int) int {
		before := fsys.count("write")
		for range messages {
			if _, err := e.Publish(t.Context(), "a", engine.Message{Data: make([]byte, size)}); err != nil {
				t.Fatal(err)
			}
		}
		return fsys.count("write") - before
	}
	if got := writes(20, 200); got != 21 {
		t.Errorf("%d writes for 20 small messages, want 21", got)
	}
	const large = aheadBatch + 1
	if got := writes(aheadBytes/large+2, large); got != aheadBytes/large+2 {
		t.Errorf("%d writes for %d large messages, want as many", got, aheadBytes/large+2)
	}
	if got := writes(1, 200); got != 2 {
		t.Errorf("%d writes for the next small message, want 2", got)
	}
}
