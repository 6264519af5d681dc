package wire

// A V2Kind is the kind of a request of protocol 2.
type V2Kind uint8

// The kinds. V2None is the kind of a malformed request.
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

// v2Members are the members of a request that the server reads: id, and one for each kind, in the
// order of the kinds.
var v2Members = []string{"id", "auth", "join", "leave", "publish", "history", "presence", "ping"}

// String returns the name of the member that has a request of the kind.
func (k V2Kind) String() string {
	if k == V2None {
		return "none"
	}
	return v2Members[k]
}

// A V2Request is a parsed request of protocol 2. ID, Message and Info are slices of the parsed text
// or copies; all other fields are copies.
type V2Request struct {
	// ID is the request's id as the client sent it, a JSON text. It is nil if there is none.
	ID []byte

	Kind V2Kind

	// Token is the token of V2Auth.
	Token string

	// Join holds the channels of V2Join, at least one.
	Join []V2Channel

	// Leave holds the channels of V2Leave.
	Leave []V2Name

	// Channel is the channel of V2Publish, V2History and V2Presence. Like all names here, it may be
	// invalid as a channel name: the hub checks that.
	Channel string

	// Message is the message of V2Publish: one line, whose capacity equals its length.
	Message []byte

	// Key is the key of V2Publish. It may be empty or too long.
	Key    string
	HasKey bool

	// Echo is whether the sender of V2Publish wants to receive its own message. The default is
	// true.
	Echo bool

	// Since is the position of V2History, not yet parsed.
	Since    string
	HasSince bool

	// Before is the position of V2History before which to read, not yet parsed.
	Before    string
	HasBefore bool

	// Limit and Last are the numbers of messages of V2History, from 1. They are 0 if there are none.
	Limit, Last int

	// Times is whether the reply to V2History has the times of the messages.
	Times bool
}

// A V2Name is a channel of V2Leave.
type V2Name struct {
	Channel string  // "" if it is not a string
	Bad     V2Error // the fault of the name; "" if it is valid
}

// A V2Channel is a channel of V2Join.
type V2Channel struct {
	Channel  string  // "" if it is not a string
	Bad      V2Error // the first fault of the members, "" if they are valid; with a fault, the fields below are not set
	Since    string  // a position, not yet parsed
	HasSince bool
	Last     int
	HasLast  bool
	Presence bool
	Info     []byte // one line, whose capacity equals its length; nil if there is none
}

// A V2Error says why a request is malformed. It is a sentence for the client.
type V2Error string

// Error returns the sentence.
func (e V2Error) Error() string { return string(e) }

// Errors of [ParseV2]. Other errors name a member and say what it must be.
const (
	ErrV2UTF8    V2Error = "The request is not valid UTF-8."
	ErrV2Depth   V2Error = "The request is nested more than 900 levels deep."
	ErrV2JSON    V2Error = "The request is not valid JSON."
	ErrV2Object  V2Error = "The request is not a JSON object."
	ErrV2None    V2Error = "The request has none of the members auth, join, leave, publish, history, presence, ping."
	ErrV2Several V2Error = "The request has several of the members auth, join, leave, publish, history, presence, ping: send one request for each."
	ErrV2ID      V2Error = "The id is neither an integer from 0 to 9007199254740991 nor a string of at most 64 bytes."
)

// Limits of a request's members.
const (
	// MaxV2Integer is the largest safe integer in JavaScript: it and its neighbours have exact
	// representations.
	MaxV2Integer = 1<<53 - 1

	// MaxV2Bad is how many malformed entries a list may have before the whole request is refused.
	// There is a limit because the reply has an error for each malformed entry, and the error is
	// longer than the entry.
	MaxV2Bad = 100

	// MaxV2ID is the greatest length of an id that is a string, in bytes after decoding.
	MaxV2ID = 64
)
