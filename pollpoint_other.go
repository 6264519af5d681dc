//go:build !unix

package boreas

import "runtime"

// pollPoint would let the scheduler look at the network; here it only yields.
type pollPoint struct{}

func newPollPoint() *pollPoint { return nil }

func (*pollPoint) poll()  { runtime.Gosched() }
func (*pollPoint) close() {}
