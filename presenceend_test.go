package boreas

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestEndWhileAPlaceIsReleased ends presence while the place of a lost session, whose time
// is over, is being given back: who waits for the end waits for that.
func TestEndWhileAPlaceIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPresence(new(queue), "chat", presenceOptions{mode: PresenceFull, linger: time.Second})
		releasing, release := make(chan struct{}), make(chan struct{})
		released := false
		p.enter("s1", "u1", nil)
		p.linger("s1", "u1", func() {
			close(releasing)
			<-release
			released = true
		})
		<-releasing
		p.close()
		ended := make(chan struct{})
		go func() {
			p.await()
			if !released {
				t.Error("the end did not wait")
			}
			close(ended)
		}()
		synctest.Wait()
		close(release)
		<-ended
	})
}
