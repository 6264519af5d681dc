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

// A Holder returns the Room of its connection, when the connection first needs it. Its methods are
// safe for concurrent use.
type Holder interface {
	Room() Room

	// Tight reports whether there will soon be no room.
	Tight() bool
}

const (
	// maxTaken is how many bytes of a batch an asyncWriter takes at once, and lessTaken how many it
	// takes if there is no room.
	maxTaken  = 64 << 10
	lessTaken = 4 << 10

	// lessRecord is the payload of a TLS record that has lessTaken bytes on the wire.
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

// take returns how many of n bytes may be taken, and counts them.
func (r *room) take(n int) int {
	n = min(n, maxTaken)
	if n <= lessTaken || r.get() == nil || r.made.Try(n) {
		return n
	}
	return lessTaken
}

// keep counts n bytes that are already held.
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
