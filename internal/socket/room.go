package socket

// A Room counts the bytes that a connection holds for its peer. One goroutine at a time
// uses it.
type Room interface {
	// Try changes how many bytes are held, and reports whether there is room for them.
	// If not, nothing changes.
	Try(n int) bool

	// Keep changes how many bytes are held, even if there is no room.
	Keep(n int)
}

// A Holder returns the Room of its connection when the connection first needs one. Its methods
// may be called by many goroutines at once.
type Holder interface {
	Room() Room

	// Tight reports whether there will soon be no room.
	Tight() bool
}

const (
	// maxTaken is how much of a batch a connection takes if it cannot be written to without
	// waiting, and lessTaken how much it takes if there is no room.
	maxTaken  = 64 << 10
	lessTaken = 4 << 10

	// lessRecord is the payload of a TLS record that takes lessTaken bytes on the wire.
	lessRecord = lessTaken - 256
)

// room is a Room that is created when it is first needed. Without a holder it has room for
// everything.
type room struct {
	holder Holder
	made   Room
}

func (r *room) get() Room {
	if r.made == nil && r.holder != nil {
		r.made = r.holder.Room()
	}
	return r.made
}

// take returns how much of n bytes to take, and counts them.
func (r *room) take(n int) int {
	n = min(n, maxTaken)
	if n <= lessTaken || r.get() == nil || r.made.Try(n) {
		return n
	}
	return lessTaken
}

// keep counts n bytes that exist already.
func (r *room) keep(n int) {
	if n > lessTaken || r.made != nil {
		if made := r.get(); made != nil {
			made.Keep(n)
		}
	}
	if n == 0 {
		r.made = nil
	}
}
