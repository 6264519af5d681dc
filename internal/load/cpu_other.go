//go:build !unix

package load

import "time"

// cpuTime is not known here, so that the report says nothing of it.
func cpuTime() time.Duration { return 0 }
