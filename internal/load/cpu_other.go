//go:build !unix

package load

import "time"

// cpuTime returns 0 because the processor time is not known on this system. The report omits it.
func cpuTime() time.Duration { return 0 }
