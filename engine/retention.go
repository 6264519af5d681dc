package engine

import "time"

// Retention limits a channel's log. For each limit, 0 means the engine's default.
type Retention struct {
	// Messages is the maximum number of kept publications; a negative number means none.
	Messages int

	// Bytes is the maximum number of kept bytes of messages. The newest publication is kept
	// whatever its size.
	Bytes int64

	// Age is how long a publication is kept.
	Age time.Duration
}
