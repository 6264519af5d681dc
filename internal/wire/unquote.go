package wire

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// Errors of [String]. Each continues a sentence that begins with the name of the value.
var (
	ErrNotString = errors.New("is not a string")
	ErrHalfPair  = errors.New("holds half of a surrogate pair, which is not a character")
)

// String returns the string that a valid JSON value represents, as in requests of protocol 2. It
// never replaces characters, unlike encoding/json, which turns each half of a surrogate pair
// into U+FFFD, so that different names become equal.
func String(v []byte) (string, error) {
	s, ok := unquote(v)
	switch {
	case ok:
		return s, nil
	case v[0] == '"':
		return "", ErrHalfPair
	default:
		return "", ErrNotString
	}
}

// unquote returns the string that a valid JSON value represents. It returns false if the value is
// not a string, or if the string contains half of a surrogate pair: JSON allows that, but UTF-8
// cannot represent it.
func unquote(v []byte) (s string, ok bool) {
	if v[0] != '"' {
		return "", false
	}
	v = v[1 : len(v)-1]
	i := bytes.IndexByte(v, '\\')
	if i < 0 {
		return string(v), true
	}
	out := make([]byte, 0, len(v)) // an escape is longer than its character
	for ; i >= 0; i = bytes.IndexByte(v, '\\') {
		out = append(out, v[:i]...)
		r, size := unescape(v[i:])
		if r < 0 {
			return "", false
		}
		out = utf8.AppendRune(out, r)
		v = v[i+size:]
	}
	return string(append(out, v...)), true
}

// lossy returns the string that a valid JSON value represents, with U+FFFD for each half of a
// surrogate pair. It returns "" for nil and for other values.
func lossy(v []byte) string {
	if len(v) == 0 || v[0] != '"' {
		return ""
	}
	var out []byte
	for v = v[1 : len(v)-1]; len(v) > 0; {
		if v[0] != '\\' {
			out, v = append(out, v[0]), v[1:]
			continue
		}
		r, size := unescape(v)
		out, v = utf8.AppendRune(out, r), v[size:] // AppendRune writes U+FFFD for -1
	}
	return string(out)
}

// unquotedLen returns the length of the string that unquote would return.
func unquotedLen(v []byte) (n int, ok bool) {
	v = v[1 : len(v)-1]
	for i := bytes.IndexByte(v, '\\'); i >= 0; i = bytes.IndexByte(v, '\\') {
		r, size := unescape(v[i:])
		if r < 0 {
			return 0, false
		}
		n += i + utf8.RuneLen(r)
		v = v[i+size:]
	}
	return n + len(v), true
}

// unescape decodes the escape at the start of v, which is the rest of a valid JSON string. It
// returns the character and the length of the escape. The character is negative for half of a
// surrogate pair.
func unescape(v []byte) (r rune, size int) {
	const single, unicode = len(`\n`), len(`\u0000`)
	switch v[1] {
	case 'b':
		return '\b', single
	case 'f':
		return '\f', single
	case 'n':
		return '\n', single
	case 'r':
		return '\r', single
	case 't':
		return '\t', single
	case 'u':
		r = hex4(v[2:])
		if !utf16.IsSurrogate(r) {
			return r, unicode
		}
		if v = v[unicode:]; len(v) < unicode || v[0] != '\\' || v[1] != 'u' {
			return -1, unicode
		}
		if r = utf16.DecodeRune(r, hex4(v[2:])); r == utf8.RuneError {
			return -1, unicode
		}
		return r, 2 * unicode
	default: // a quote, a slash or a backslash
		return rune(v[1]), single
	}
}

// hex4 decodes four hexadecimal digits. It returns a negative number if b does not start with them.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
