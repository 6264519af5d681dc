package wire

import (
	"iter"
	"slices"
)

// The constant parts of a classic message, with the spaces of Python's json.dumps.
const (
	classicOpen   = `{"message": `
	classicMiddle = `, "channel": "`
	classicClose  = `"}`
)

// AppendClassicMessage appends a publication in the form that classic clients receive:
//
//	{"message": <payload>, "channel": "<channel>"}
//
// The payload must be one JSON text in UTF-8 and is appended unchanged. The channel must be valid
// UTF-8. It is appended as a JSON string, with only the escapes that JSON requires. If dst has
// room, nothing is allocated.
func AppendClassicMessage(dst []byte, channel string, payload []byte) []byte {
	dst = slices.Grow(dst, len(classicOpen)+len(payload)+len(classicMiddle)+len(channel)+len(classicClose))
	dst = append(dst, classicOpen...)
	dst = append(dst, payload...)
	dst = append(dst, classicMiddle...)
	dst = appendEscaped(dst, channel)
	return append(dst, classicClose...)
}

// appendEscaped appends s as the content of a JSON string, without quotes.
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

// A RequestKind is the kind of a classic client's request.
type RequestKind uint8

const (
	// Nothing: the frame is not a request, and a classic server ignores it.
	Nothing RequestKind = iota

	// Authenticate: the client presents Request.Token.
	Authenticate

	// Subscribe: the client joins Request.Join, and then leaves Request.Leave.
	Subscribe
)

// A Request is the meaning of a classic client's text frame.
type Request struct {
	Kind RequestKind

	// Token is the access token. It may be invalid.
	Token string

	// Join and Leave are the channel names, in their order; a name may repeat. They are valid
	// UTF-8, but may be invalid as channel names: the hub checks that.
	Join, Leave []string

	// Skipped is the number of entries in both lists that cannot be names: they are not strings, or
	// they contain half of a surrogate pair.
	Skipped int
}

// ParseClassicRequest parses a classic client's text frame. It understands
//
//	{"access_token": "T"}
//	{"channels": {"join": [...], "leave": [...]}}
//
// with these rules. If a frame has access_token, its other members are ignored. join and leave are
// both required and must be lists. If a key is repeated, the last one counts. Any other frame, for
// example one that is not JSON or has a token that is not a string, is a Request of kind [Nothing].
// The strings are copies, so the caller may reuse b.
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

// isList reports whether v, a valid JSON value or nil, is a list.
func isList(v []byte) bool { return len(v) > 0 && v[0] == '[' }

// names returns the strings in a valid JSON list, and counts other entries in Skipped.
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

// entries iterates over the values in a valid JSON list.
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
