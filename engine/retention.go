package engine

import "time"

// Retention bounds a channel's log. For each bound 0 means the engine's default.
type Retention struct {
	// Messages is how many publications are kept; a negative number means none.
	Messages int

	// Bytes is how many bytes of messages are kept. The newest publication is kept
	// whatever its size.
	Bytes int64

	// Age is how long a publication is kept.
	Age time.Duration
}
