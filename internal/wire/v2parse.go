package wire

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// ParseV2 parses a client's message according to clauses 1, 2, 4, 6, 7 and 9 of docs/protocol.md.
// Unknown members are ignored. If a member is repeated, the last one counts. All other faults are
// errors of type [V2Error]. With an error, only the request's ID may be set: it is set if it was
// read before the fault.
//
// ParseV2 allocates only the strings and lists of the request.
func ParseV2(b []byte) (V2Request, error) {
	if !utf8.Valid(b) {
		return V2Request{}, ErrV2UTF8
	}
	var p v2Parser
	err := p.parse(b)
	if err == nil {
		err = p.request()
	}
	if err != nil {
		return V2Request{ID: p.ID}, err
	}
	return p.V2Request, nil
}

// v2Parser is the state of ParseV2.
type v2Parser struct {
	V2Request
	body members // the members of the object under the kind
	kind []byte  // the value under the kind if it is not an object

	wrongs int     // malformed entries of the list
	bad    V2Error // the first fault of a request that is valid JSON
}

// v2Bodies are all members that the object under a kind may have. They are found in one pass,
// before it is known that the request has only one kind.
var v2Bodies = []string{"token", "channels", "channel", "message", "key", "echo", "since", "limit", "before", "last", "times"}

// Indices of v2Bodies.
const (
	v2Token = iota
	v2Channels
	v2ChannelName
	v2Message
	v2Key
	v2Echo
	v2Since
	v2Limit
	v2Before
	v2Last
	v2Times
)

// parse scans the whole text in one pass.
func (p *v2Parser) parse(b []byte) error {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return v2Syntax(notObject(b, i))
	}
	several := false
	badID := false
	o := object{text: b, at: i}
	for o.next() {
		var end int
		var err error
		k := indexKey(o.key, v2Members)
		if k > 0 && o.at < len(b) && b[o.at] == '{' {
			p.kind = nil
			end, err = p.body.scan(b, o.at, v2Bodies)
		} else if end, err = skipValue(b, o.at); err == nil && k > 0 {
			p.kind = b[o.at:end]
		}
		if err != nil {
			return v2Syntax(err)
		}
		switch {
		case k == 0:
			p.ID = v2ID(b[o.at:end:end])
			badID = p.ID == nil
		case k > 0:
			several = several || p.Kind != V2None && p.Kind != V2Kind(k)
			p.Kind = V2Kind(k)
		}
		o.at = end
	}
	err := o.err
	if err == nil {
		err = atEnd(b, o.at)
	}
	switch {
	case err != nil:
		return v2Syntax(err)
	case badID:
		return ErrV2ID
	case several:
		return ErrV2Several
	case p.Kind == V2None:
		return ErrV2None
	case p.kind != nil:
		return V2Error("The member " + p.Kind.String() + " is not an object.")
	}
	return nil
}

// v2Syntax returns protocol 2's error for a JSON error.
func v2Syntax(err error) error {
	switch err {
	case errDepth:
		return ErrV2Depth
	case errNotObject:
		return ErrV2Object
	}
	return ErrV2JSON
}

// v2ID returns the valid JSON value if it can be an id, otherwise nil.
func v2ID(v []byte) []byte {
	if v[0] == '"' {
		if n, ok := unquotedLen(v); !ok || n > MaxV2ID {
			return nil
		}
		return v
	}
	if _, ok := v2Integer(v); !ok {
		return nil
	}
	return v
}

// v2Integer parses a valid JSON value that is an integer from 0 to [MaxV2Integer], written only
// with digits.
func v2Integer(v []byte) (int64, bool) {
	const maxDigits = 16
	if len(v) > maxDigits {
		return 0, false
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n <= MaxV2Integer
}

// request reads the members of the request's kind.
func (p *v2Parser) request() error {
	m := &p.body
	switch p.Kind {
	case V2Auth:
		p.Token = p.needString(v2Token)
	case V2Join:
		p.channels(m.value[v2Channels])
	case V2Leave:
		p.names(m.value[v2Channels])
	case V2Publish:
		p.Channel = p.needString(v2ChannelName)
		if p.Message = oneLine(m.value[v2Message]); p.Message == nil {
			p.wrong(v2Message, "is missing")
		}
		p.Key, p.HasKey = p.mayString(v2Key)
		p.Echo = p.mayFlag(v2Echo, true)
	case V2History:
		p.Channel = p.needString(v2ChannelName)
		p.Since, p.HasSince = p.mayString(v2Since)
		p.Before, p.HasBefore = p.mayString(v2Before)
		p.Limit, p.Last = p.mayNumber(v2Limit), p.mayNumber(v2Last)
		p.Times = p.mayFlag(v2Times, false)
	case V2Presence:
		p.Channel = p.needString(v2ChannelName)
	}
	if p.bad != "" {
		return p.bad
	}
	return nil
}

// wrong records the fault of a member, unless there already is a fault.
func (p *v2Parser) wrong(member int, what string) {
	if p.bad == "" {
		p.bad = V2Error("The member " + p.Kind.String() + "." + v2Bodies[member] + " " + what + ".")
	}
}

// needString returns the string of a required member.
func (p *v2Parser) needString(member int) string {
	s, ok := p.mayString(member)
	if !ok {
		p.wrong(member, "is missing: it must be a string")
	}
	return s
}

// mayString returns the string of an optional member, and whether the member is there.
func (p *v2Parser) mayString(member int) (string, bool) {
	v := p.body.value[member]
	if v == nil {
		return "", false
	}
	s, ok := unquote(v)
	if !ok {
		p.wrong(member, v2NoString(v))
	}
	return s, true
}

// mayNumber returns the number of an optional member, or 0 if it is absent.
func (p *v2Parser) mayNumber(member int) int {
	v := p.body.value[member]
	if v == nil {
		return 0
	}
	n, ok := v2Integer(v)
	if !ok || n == 0 {
		p.wrong(member, "is not an integer from 1 to 9007199254740991")
	}
	return int(min(n, math.MaxInt))
}

// mayFlag returns the value of an optional member.
func (p *v2Parser) mayFlag(member int, absent bool) bool {
	switch string(p.body.value[member]) {
	case "":
		return absent
	case "true":
		return true
	case "false":
		return false
	}
	p.wrong(member, "is neither true nor false")
	return absent
}

// v2NoString returns why a value is not a string.
func v2NoString(v []byte) string {
	if v[0] == '"' {
		return ErrHalfPair.Error()
	}
	return ErrNotString.Error()
}

// names parses the list of channels to leave.
func (p *v2Parser) names(v []byte) {
	if !isList(v) {
		p.wrong(v2Channels, "is not a list of strings")
		return
	}
	for entry := range entries(v) {
		var n V2Name
		var ok bool
		if n.Channel, ok = unquote(entry); !ok {
			n = V2Name{lossy(entry), p.wrongEntry(len(p.Leave), "", v2NoString(entry))}
		}
		p.Leave = append(p.Leave, n)
	}
}

// v2JoinMembers are the members of a channel to join.
var v2JoinMembers = []string{"channel", "since", "last", "presence", "info"}

// channels parses the list of channels to join.
func (p *v2Parser) channels(v []byte) {
	if !isList(v) {
		p.wrong(v2Channels, "is not a list of objects")
		return
	}
	var m members
	for entry := range entries(v) {
		if entry[0] != '{' {
			p.Join = append(p.Join, V2Channel{Bad: p.wrongEntry(len(p.Join), "", "is not an object")})
			continue
		}
		// The text was scanned before, so the entry is valid JSON.
		_, _ = m.scan(entry, 0, v2JoinMembers)
		c, member, what := v2Entry(&m)
		if what != "" {
			c = V2Channel{Channel: lossy(m.value[0]), Bad: p.wrongEntry(len(p.Join), "."+member, what)}
		}
		p.Join = append(p.Join, c)
	}
	if len(p.Join) == 0 {
		p.wrong(v2Channels, "is empty")
	}
}

// v2Entry parses one channel to join. If a member is malformed, what is not empty.
func v2Entry(m *members) (c V2Channel, member, what string) {
	name, since, last, presence := m.value[0], m.value[1], m.value[2], m.value[3]
	ok := false
	if name == nil {
		return c, "channel", "is missing: it must be a string"
	}
	if c.Channel, ok = unquote(name); !ok {
		return c, "channel", v2NoString(name)
	}
	if c.HasSince = since != nil; c.HasSince {
		if c.Since, ok = unquote(since); !ok {
			return c, "since", v2NoString(since)
		}
	}
	if c.HasLast = last != nil; c.HasLast {
		n, ok := v2Integer(last)
		if !ok {
			return c, "last", "is not an integer from 0 to 9007199254740991"
		}
		c.Last = int(min(n, math.MaxInt))
	}
	switch string(presence) {
	case "", "false":
	case "true":
		c.Presence = true
	default:
		return c, "presence", "is neither true nor false"
	}
	c.Info = oneLine(m.value[4])
	return c, "", ""
}

// wrongEntry returns the fault of an entry in the list of channels, and records it for the whole
// request if too many entries are wrong.
func (p *v2Parser) wrongEntry(i int, member, what string) V2Error {
	err := V2Error("The member " + p.Kind.String() + ".channels[" + strconv.Itoa(i) + "]" + member + " " + what + ".")
	if p.wrongs++; p.wrongs > MaxV2Bad && p.bad == "" {
		p.bad = "More than " + V2Error(strconv.Itoa(MaxV2Bad)) + " entries are wrong. " + err
	}
	return err
}
