package wire

import (
	"iter"
	"slices"
)

// The constant parts of a classic message, spaced as Python's json.dumps did it.
const (
	classicOpen   = `{"message": `
	classicMiddle = `, "channel": "`
	classicClose  = `"}`
)

// AppendClassicMessage appends what a classic client is sent for a publication:
//
//	{"message": <payload>, "channel": "<channel>"}
//
// The payload must be one JSON text in UTF-8 and goes out as it is. The channel
// must be valid UTF-8; it goes out as a JSON string, escaped only where JSON
// demands it. If dst has room nothing is allocated.
func AppendClassicMessage(dst []byte, channel string, payload []byte) []byte {
	dst = slices.Grow(dst, len(classicOpen)+len(payload)+len(classicMiddle)+len(channel)+len(classicClose))
	dst = append(dst, classicOpen...)
	dst = append(dst, payload...)
	dst = append(dst, classicMiddle...)
	dst = appendEscaped(dst, channel)
	return append(dst, classicClose...)
}

// appendEscaped appends s as it stands between the quotes of a JSON string.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		} else {
			dst = append(dst, '\\', c)
		}
	}
	return append(dst, s[start:]...)
}

// A RequestKind tells what a client asks for.
type RequestKind uint8

const (
	// Nothing: the frame asks for nothing, and a classic server ignores it.
	Nothing RequestKind = iota

	// Authenticate: the client shows Request.Token.
	Authenticate

	// Subscribe: the client joins Request.Join, and then leaves Request.Leave.
	Subscribe
)

// A Request is what a classic client's text frame asks for.
type Request struct {
	Kind RequestKind

	// Token is the access token shown; it need not be a valid one.
	Token string

	// Join and Leave are the names given, in their order; a name may repeat.
	// They are strings in valid UTF-8, but the hub decides whether they can be
	// channel names.
	Join, Leave []string

	// Skipped is how many entries of the two lists could not be names at all:
	// not strings, or strings with half of a surrogate pair.
	Skipped int
}

// ParseClassicRequest tells what a client's text frame means. It understands
//
//	{"access_token": "T"}
//	{"channels": {"join": [...], "leave": [...]}}
//
// with these rules: a message with access_token is only that, whatever else it
// holds; join and leave are both required and both lists; of repeated keys the
// last counts. All else, from bytes that are no JSON to a token that is no
// string, is a Request of kind [Nothing]. The strings are copies: b may be
// used again.
func ParseClassicRequest(b []byte) Request {
	var keys members
	if keys.parse(b, "access_token", "channels") != nil {
		return Request{}
	}
	if token := keys.value[0]; token != nil {
		s, ok := unquote(token)
		if !ok {
			return Request{}
		}
		return Request{Kind: Authenticate, Token: s}
	}
	if keys.value[1] == nil || keys.parse(keys.value[1], "join", "leave") != nil {
		return Request{}
	}
	join, leave := keys.value[0], keys.value[1]
	if !isList(join) || !isList(leave) {
		return Request{}
	}
	r := Request{Kind: Subscribe}
	r.Join = r.names(join)
	r.Leave = r.names(leave)
	return r
}

// isList tells whether a valid JSON value, or nil, is a list.
func isList(v []byte) bool { return len(v) > 0 && v[0] == '[' }

// names returns the strings in a valid JSON list and counts the other entries.
func (r *Request) names(list []byte) []string {
	var names []string
	for entry := range entries(list) {
		if s, ok := unquote(entry); ok {
			names = append(names, s)
		} else {
			r.Skipped++
		}
	}
	return names
}

// entries walks over the values in a valid JSON list.
func entries(list []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := skipSpace(list, 1); list[i] != ']'; {
			end, _ := skipValue(list, i)
			if !yield(list[i:end]) {
				return
			}
			if i = skipSpace(list, end); list[i] == ',' {
				i = skipSpace(list, i+1)
			}
		}
	}
}
