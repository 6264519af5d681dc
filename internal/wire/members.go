package wire

import (
	"errors"
	"unicode/utf8"
)

// MaxDepth is how many levels of lists and objects a JSON text may have. The
// original stopped near 1,000, where Python's recursion limit is; more would be a
// risk for whoever must parse the message.
const MaxDepth = 900

// What can be wrong with a JSON text.
var (
	errSyntax    = errors.New("not JSON")
	errDepth     = errors.New("nested too deeply")
	errUTF8      = errors.New("not UTF-8")
	errNotObject = errors.New("not an object")
)

// maxKeys is how many keys [members] looks for at once.
const maxKeys = 2

// members finds the values of known keys in a JSON object.
type members struct {
	value [maxKeys][]byte // nil if the key is absent; a slice of the text
}

// parse checks that b is one JSON text and an object, and finds the values of the
// keys named. Of repeated keys the last counts, as in Python and in browsers.
func (m *members) parse(b []byte, keys ...string) error {
	m.value = [maxKeys][]byte{}
	if !utf8.Valid(b) {
		return errUTF8
	}
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return notObject(b, i)
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return atEnd(b, i+1)
	}
	for {
		key := i
		keyEnd, start := skipKey(b, key)
		if start < 0 {
			return errSyntax
		}
		end, err := skipValue(b, start)
		if err != nil {
			return err
		}
		for k, name := range keys {
			if isKey(b[key:keyEnd], name) {
				m.value[k] = b[start:end]
			}
		}
		if i = skipSpace(b, end); i == len(b) {
			return errSyntax
		}
		switch b[i] {
		case '}':
			return atEnd(b, i+1)
		case ',':
			i = skipSpace(b, i+1)
		default:
			return errSyntax
		}
	}
}

// notObject returns errNotObject if another JSON value starts at b[i], and
// otherwise what is wrong with it.
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

// atEnd returns nil if only space follows b[i].
func atEnd(b []byte, i int) error {
	if skipSpace(b, i) != len(b) {
		return errSyntax
	}
	return nil
}

// isKey tells whether a valid JSON string, quotes included, says name.
func isKey(quoted []byte, name string) bool {
	inner := quoted[1 : len(quoted)-1]
	if string(inner) == name {
		return true
	}
	if len(inner) <= len(name) { // an escape is longer than what it stands for
		return false
	}
	for _, c := range inner {
		if c == '\\' {
			s, ok := unquote(quoted)
			return ok && s == name
		}
	}
	return false
}
