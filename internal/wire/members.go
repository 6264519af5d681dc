package wire

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"
)

// MaxDepth is how many levels of lists and objects a JSON text may have. Boreas 1.0 stopped near
// 1,000, which is Python's recursion limit. Deeper texts would be a risk for the programs that must
// parse the message.
const MaxDepth = 900

// Errors in a JSON text.
var (
	errSyntax    = errors.New("not JSON")
	errDepth     = errors.New("nested too deeply")
	errUTF8      = errors.New("not UTF-8")
	errNotObject = errors.New("not an object")
)

// maxKeys is how many keys [members] can look for at once. It is the largest number of members in a
// request of protocol 2.
const maxKeys = 11

// members finds the values of known keys in a JSON object.
type members struct {
	value [maxKeys][]byte // nil if the key is absent; a slice of the text
}

// parse checks that b is one JSON object, and finds the values of the given keys, of which there
// may be at most maxKeys. If a key is repeated, the last one counts, as in Python and in browsers.
func (m *members) parse(b []byte, keys ...string) error {
	if !utf8.Valid(b) {
		return errUTF8
	}
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return notObject(b, i)
	}
	end, err := m.scan(b, i, keys)
	if err != nil {
		return err
	}
	return atEnd(b, end)
}

// scan does the work of parse for the object that starts at b[i], in a text that is known to be
// UTF-8. It returns the end of the object.
func (m *members) scan(b []byte, i int, keys []string) (end int, err error) {
	m.value = [maxKeys][]byte{}
	o := object{text: b, at: i}
	for o.next() {
		end, err := skipValue(b, o.at)
		if err != nil {
			return -1, err
		}
		if k := indexKey(o.key, keys); k >= 0 {
			m.value[k] = b[o.at:end]
		}
		o.at = end
	}
	return o.at, o.err
}

// object iterates over the members of an object in a text that is known to be UTF-8.
type object struct {
	text []byte

	// at is the start of the object before the first call of next. After next it is the start of
	// the member's value, and the caller sets it to the value's end. After the last call it is the
	// end of the object.
	at int

	key   []byte // the member's key, with its quotes
	inner bool   // next has been called
	err   error  // why next returned false; nil at the end of the object
}

// next moves to the next member. It returns false at the end and after an error.
func (o *object) next() bool {
	first := !o.inner
	o.inner = true
	if first {
		o.at++ // the brace
	}
	i := skipSpace(o.text, o.at)
	if i < len(o.text) && o.text[i] == '}' {
		o.at = i + 1
		return false
	}
	if !first {
		if i == len(o.text) || o.text[i] != ',' {
			o.err = errSyntax
			return false
		}
		i = skipSpace(o.text, i+1)
	}
	keyEnd, start := skipKey(o.text, i)
	if start < 0 {
		o.err = errSyntax
		return false
	}
	o.key, o.at = o.text[i:keyEnd], start
	return true
}

// indexKey returns the index of a JSON string (with its quotes) in names, or -1.
func indexKey(quoted []byte, names []string) int {
	inner := quoted[1 : len(quoted)-1]
	for k, name := range names {
		if string(inner) == name {
			return k
		}
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return -1
	}
	s, ok := unquote(quoted)
	if !ok {
		return -1
	}
	return slices.Index(names, s)
}

// notObject returns errNotObject if a JSON value that is not an object starts at b[i]. Otherwise it
// returns the error in the text.
func notObject(b []byte, i int) error {
	end, err := skipValue(b, i)
	if err == nil {
		err = atEnd(b, end)
	}
	if err == nil {
		err = errNotObject
	}
	return err
}

// atEnd returns nil if only white space follows b[i].
func atEnd(b []byte, i int) error {
	if skipSpace(b, i) != len(b) {
		return errSyntax
	}
	return nil
}
