package wire

// A V2Kind tells what a client of protocol 2 asks for.
type V2Kind uint8

// The kinds. V2None is that of a malformed request.
const (
	V2None V2Kind = iota
	V2Auth
	V2Join
	V2Leave
	V2Publish
	V2History
	V2Presence
	V2Ping
)

// v2Members are the members of a request that are read: its id, and then one for
// each kind, in the kinds' order.
var v2Members = []string{"id", "auth", "join", "leave", "publish", "history", "presence", "ping"}

// String returns the name of the member by which a client asks for it.
func (k V2Kind) String() string {
	if k == V2None {
		return "none"
	}
	return v2Members[k]
}

// A V2Request is what a client's message of protocol 2 asks for. ID, Message and Info
// are slices of the text that was parsed, or copies of it; all else is copied.
type V2Request struct {
	// ID is the request's id as it was sent, a JSON text; nil if it has none.
	ID []byte

	Kind V2Kind

	// Token is what V2Auth shows.
	Token string

	// Join holds the channels that V2Join names: at least one.
	Join []V2Channel

	// Leave holds the channels that V2Leave names.
	Leave []V2Name

	// Channel is what V2Publish, V2History and V2Presence are about. Whether it can
	// be a channel's name is for the hub to say, as with all names here.
	Channel string

	// Message is what V2Publish publishes: one line, with no room behind it.
	Message []byte

	// Key is V2Publish's. A key that was given can be empty, or too long.
	Key    string
	HasKey bool

	// Echo tells that V2Publish's sender wants its message back: true if it did
	// not say.
	Echo bool

	// Since is V2History's position, not yet read.
	Since    string
	HasSince bool

	// Limit is V2History's, from 1; 0 if it has none.
	Limit int
}

// A V2Name is a channel that V2Leave names.
type V2Name struct {
	Channel string  // "" if it is not a string
	Bad     V2Error // the fault of the name; "" if it is valid
}

// A V2Channel is a channel that V2Join names.
type V2Channel struct {
	Channel  string  // "" if it is not a string
	Bad      V2Error // the fault of one of the members, "" if they are valid; with a fault, the members below are not read
	Since    string  // a position, not yet read
	HasSince bool
	Last     int
	HasLast  bool
	Presence bool
	Info     []byte // one line, with no room behind it; nil if it has none
}

// A V2Error says why a request is malformed: a sentence for the client.
type V2Error string

// Error returns the sentence.
func (e V2Error) Error() string { return string(e) }

// Errors of [ParseV2]. Others name a member and what it must be.
const (
	ErrV2UTF8    V2Error = "The request is not valid UTF-8."
	ErrV2Depth   V2Error = "The request is nested more than 900 levels deep."
	ErrV2JSON    V2Error = "The request is not valid JSON."
	ErrV2Object  V2Error = "The request is not a JSON object."
	ErrV2None    V2Error = "The request has none of the members auth, join, leave, publish, history, presence, ping."
	ErrV2Several V2Error = "The request has several of the members auth, join, leave, publish, history, presence, ping: send one request for each."
	ErrV2ID      V2Error = "The id is neither an integer from 0 to 9007199254740991 nor a string of at most 64 bytes."
)

// Bounds of a request's members.
const (
	// MaxV2Integer is the largest integer that JavaScript represents exactly together with its
	// neighbours.
	MaxV2Integer = 1<<53 - 1

	// MaxV2Bad is how many entries of a list may be wrong before the whole request is refused. Each
	// has an error in the reply that is longer than the entry.
	MaxV2Bad = 100

	// MaxV2ID is the greatest length of an id that is a string, in bytes of what the
	// string says.
	MaxV2ID = 64
)
