package wire

// A BodyError says why the body of a broadcast is malformed. It is a sentence for the publisher, in
// the words of the classic API where that API had an error.
type BodyError string

// Error returns the sentence.
func (e BodyError) Error() string { return string(e) }

// Errors of [ParseBroadcast].
const (
	ErrBodyUTF8        BodyError = "Could not parse payload as JSON: it is not valid UTF-8."
	ErrBodyDepth       BodyError = "Could not parse payload as JSON: it is nested more than 900 levels deep."
	ErrBodyJSON        BodyError = "Could not parse payload as JSON."
	ErrBodyNotObject   BodyError = "Payload must be an object."
	ErrPayloadRequired BodyError = "`payload` key is required."
	ErrDryRun          BodyError = "`dryrun` must be true or false."
)

// ParseBroadcast parses the body of a classic broadcast:
//
//	{"payload": <any but null>, "dryrun": <true or false; absent or null is false>}
//
// Other keys are ignored. If a key is repeated, the last one counts. The payload is a slice of
// body, byte for byte as received. If it contains newlines, it is a copy without white space
// instead, so that it is always one line. Its capacity equals its length.
//
// Errors are of type [BodyError]. If several apply, the first in the list above is returned.
func ParseBroadcast(body []byte) (payload []byte, dryrun bool, err error) {
	var keys members
	switch keys.parse(body, "payload", "dryrun") {
	case nil:
	case errUTF8:
		return nil, false, ErrBodyUTF8
	case errDepth:
		return nil, false, ErrBodyDepth
	case errNotObject:
		return nil, false, ErrBodyNotObject
	default:
		return nil, false, ErrBodyJSON
	}
	payload = keys.value[0]
	if payload == nil || string(payload) == "null" {
		return nil, false, ErrPayloadRequired
	}
	switch string(keys.value[1]) {
	case "", "false", "null": // null was false in 2013 as well
	case "true":
		dryrun = true
	default:
		return nil, false, ErrDryRun
	}
	return oneLine(payload), dryrun, nil
}

// compact returns a copy of a valid JSON text without white space between tokens.
func compact(v []byte) []byte {
	out := make([]byte, 0, len(v))
	for i := skipSpace(v, 0); i < len(v); i = skipSpace(v, i) {
		start := i
		if v[i] == '"' {
			i = skipString(v, i)
		} else {
			i++
		}
		out = append(out, v[start:i]...)
	}
	return out
}
