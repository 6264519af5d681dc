package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// isStringPrefix reports whether s may precede the quote of a Python string.
func isStringPrefix(s string) bool {
	switch strings.ToLower(s) {
	case "", "u", "b", "r", "ur", "br", "rb":
		return true
	}
	return false
}

// number parses a word as a Python number. If it is not a number, the result's literal is other.
func number(word string) value {
	if strings.TrimLeft(word, "+-0123456789._xXoObBeEaAcCdDfF") != "" || !strings.ContainsAny(word, "0123456789") {
		return value{word, other} // Go accepts these as numbers and Python does not: Inf, NaN, 0x1p4
	}
	if v, ok := integerOf(word); ok {
		return v
	}
	if _, err := strconv.ParseFloat(word, 64); err == nil && !strings.ContainsAny(word, "xX") {
		return value{word, float}
	}
	return value{word, other}
}

// integerOf parses a whole number in the syntax of Python and TOML: 8001, 0x1F41, 8_001.
func integerOf(word string) (value, bool) {
	n, err := strconv.ParseInt(word, 0, 64)
	return value{strconv.FormatInt(n, 10), integer}, err == nil
}

// str parses a Python string, starting at its quote. In a raw string a backslash is not an escape.
func (l *confLine) str(raw bool) (value, *Error) {
	start := l.pos
	quote := l.text[start : start+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(l.text[start:], triple) {
		quote = triple
	}
	l.pos += len(quote)
	var b strings.Builder
	for {
		switch {
		case l.pos >= len(l.text):
			return value{}, l.errorf(start, l.pos, "the text has no closing quote on its line")
		case strings.HasPrefix(l.text[l.pos:], quote):
			l.pos += len(quote)
			return value{b.String(), text}, nil
		case l.text[l.pos] != '\\':
			b.WriteByte(l.text[l.pos])
			l.pos++
		case raw:
			// In a raw string, too, a quote after a backslash does not end the string.
			b.WriteString(l.text[l.pos:min(l.pos+2, len(l.text))])
			l.pos += 2
		default:
			if err := l.escape(&b); err != nil {
				return value{}, err
			}
		}
	}
}

// simpleEscapes are the letters of simple escapes, each followed by the character that it means.
const simpleEscapes = `\\''""` + "a\ab\bf\fn\nr\rt\tv\v"

// escape parses one escape sequence, starting at its backslash. Like Python, it keeps the backslash
// of an unknown sequence.
func (l *confLine) escape(b *strings.Builder) *Error {
	start := l.pos
	l.pos++
	c := l.peek()
	l.pos++
	for i := 0; i < len(simpleEscapes); i += 2 {
		if simpleEscapes[i] == c && start+1 < len(l.text) {
			b.WriteByte(simpleEscapes[i+1])
			return nil
		}
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	switch {
	case digits > 0:
		end := min(l.pos+digits, len(l.text))
		n, err := strconv.ParseUint(l.text[l.pos:end], 16, 32)
		if err != nil || end-l.pos < digits || !utf8.ValidRune(rune(n)) || n > utf8.MaxRune {
			return l.errorf(start, end, "want %d hexadecimal digits of a character after \\%c", digits, c)
		}
		b.WriteRune(rune(n))
		l.pos = end
	case c >= '0' && c <= '7':
		end := l.pos
		for end < len(l.text) && end < start+4 && l.text[end] >= '0' && l.text[end] <= '7' {
			end++
		}
		n, _ := strconv.ParseUint(l.text[start+1:end], 8, 16) // one to three octal digits
		b.WriteRune(rune(n))
		l.pos = end
	default:
		b.WriteByte('\\')
		l.pos = start + 1
	}
	return nil
}
