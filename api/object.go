package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// An object is the body of a request about tokens or keys, by member. It is parsed strictly: a
// misspelt name must not be ignored, because the member may be a restriction. For the same reason,
// names are case-sensitive and must not occur twice; encoding/json accepts both.
type object map[string]json.RawMessage

// readObject reads the body of a request. It may have only the given members.
func (s *service) readObject(w http.ResponseWriter, r *http.Request, c *call, names ...string) (object, error) {
	buf := getBuffer()
	defer putBuffer(buf)
	if err := s.readBody(w, r, c, buf); err != nil {
		return nil, s.badBody(w, err)
	}
	return parseObject("The body", bytes.Clone(buf.Bytes()), names)
}

// parseObject parses an object. what names the object in error messages.
func parseObject(what string, text []byte, names []string) (object, error) {
	if !utf8.Valid(text) {
		return nil, malformed("%s is not valid UTF-8.", what)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, malformed("%s must be a JSON object.", what)
	}
	o := make(object)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, malformed("%s is not JSON: %v.", what, err)
		}
		name := token.(string) // otherwise the decoder had failed
		if !slices.Contains(names, name) {
			return nil, malformed("Unknown member %.40q: the members are %s.", name, strings.Join(names, ", "))
		}
		if _, twice := o[name]; twice {
			return nil, malformed("`%s` occurs more than once.", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, malformed("%s is not JSON: %v.", what, err)
		}
		o[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed("%s is not JSON: it ends early.", what)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("%s is more than one JSON object.", what)
	}
	return o, nil
}

// has reports whether the member exists.
func (o object) has(name string) bool { return o[name] != nil }

// isNull reports whether the member exists and is null.
func (o object) isNull(name string) bool { return string(o[name]) == "null" }

// text returns a string member of at most the given number of bytes, or "" if it is missing.
func (o object) text(name string, most int) (string, error) {
	if !o.has(name) {
		return "", nil
	}
	s, err := wire.String(o[name])
	switch err {
	case nil:
	case wire.ErrNotString:
		return "", malformed("`%s` must be a string.", name)
	default:
		return "", malformed("`%s` %v.", name, err)
	}
	if len(s) > most {
		return "", malformed("`%s` has %d bytes, more than %d.", name, len(s), most)
	}
	return s, nil
}

// texts returns a member that is a list of strings, or nil if it is missing.
func (o object) texts(name string) ([]string, error) {
	if !o.has(name) {
		return nil, nil
	}
	var raw []json.RawMessage
	if o[name][0] != '[' || json.Unmarshal(o[name], &raw) != nil {
		return nil, malformed("`%s` must be a list of strings.", name)
	}
	list := make([]string, len(raw))
	for i, v := range raw {
		var err error
		switch list[i], err = wire.String(v); err {
		case nil:
		case wire.ErrNotString:
			return nil, malformed("`%s` must be a list of strings.", name)
		default:
			return nil, malformed("Entry %d of `%s` %v.", i+1, name, err)
		}
	}
	return list, nil
}

// seconds returns a member that is a number of seconds, from least to most, or 0 if it is missing.
func (o object) seconds(name string, least, most int64) (time.Duration, error) {
	if !o.has(name) {
		return 0, nil
	}
	var n int64
	if o.isNull(name) || json.Unmarshal(o[name], &n) != nil || n < least || n > most {
		return 0, malformed("`%s` must be a whole number of seconds from %d to %d.", name, least, most)
	}
	return time.Duration(n) * time.Second, nil
}

// time returns a member that is a time, or the zero time if it is missing.
func (o object) time(name string) (time.Time, error) {
	text, err := o.text(name, 40)
	if err != nil || !o.has(name) {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.IsZero() {
		return time.Time{}, malformed("`%s` must be a time as in RFC 3339, like 2026-11-25T12:00:00Z.", name)
	}
	return t, nil
}

// maxTTL is the longest TTL, in seconds: about 31 years.
const maxTTL = 1_000_000_000

// expires returns the expiry from `ttl` or from `expires`, where null means never. It returns the
// zero time if both are missing.
func (o object) expires() (time.Time, error) {
	switch {
	case o.has("ttl") && o.has("expires"):
		return time.Time{}, malformed("Send `ttl` or `expires`, not both.")
	case o.has("ttl"):
		ttl, err := o.seconds("ttl", 1, maxTTL)
		if err != nil {
			return time.Time{}, err
		}
		return time.Now().Add(ttl), nil
	case o.isNull("expires"):
		return time.Time{}, nil
	}
	return o.future("expires")
}

// future returns a member that is a time in the future, or the zero time if it is missing.
func (o object) future(name string) (time.Time, error) {
	t, err := o.time(name)
	if err != nil || !o.has(name) {
		return time.Time{}, err
	}
	if !t.After(time.Now()) {
		return time.Time{}, malformed("`%s` is in the past.", name)
	}
	return t, nil
}

// timeJSON returns a time in the API's format, or nil, which is omitted, for never.
func timeJSON(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339)
	return &text
}

// appendJSON appends v as JSON. json.Marshal must not be able to fail for v.
func appendJSON(dst []byte, v any) []byte {
	text, _ := json.Marshal(v)
	return append(dst, text...)
}
