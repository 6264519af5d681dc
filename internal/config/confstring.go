package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// isStringPrefix reports whether s may stand before a Python string's quote.
func isStringPrefix(s string) bool {
	switch strings.ToLower(s) {
	case "", "u", "b", "r", "ur", "br", "rb":
		return true
	}
	return false
}

// number reads a word as a number as Python writes it. Its literal is other if it is
// none.
func number(word string) value {
	if strings.TrimLeft(word, "+-0123456789._xXoObBeEaAcCdDfF") != "" || !strings.ContainsAny(word, "0123456789") {
		return value{word, other} // what Go reads as a number and Python does not: Inf, NaN, 0x1p4
	}
	if v, ok := integerOf(word); ok {
		return v
	}
	if _, err := strconv.ParseFloat(word, 64); err == nil && !strings.ContainsAny(word, "xX") {
		return value{word, float}
	}
	return value{word, other}
}

// integerOf reads a whole number as Python and TOML write it: 8001, 0x1F41, 8_001.
func integerOf(word string) (value, bool) {
	n, err := strconv.ParseInt(word, 0, 64)
	return value{strconv.FormatInt(n, 10), integer}, err == nil
}

// str reads a Python string at its quote. In a raw string a backslash is only that.
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
			// Even in a raw string the character after a backslash does not end it.
			b.WriteString(l.text[l.pos:min(l.pos+2, len(l.text))])
			l.pos += 2
		default:
			if err := l.escape(&b); err != nil {
				return value{}, err
			}
		}
	}
}

// simpleEscapes are the escapes of one letter and what they stand for.
const simpleEscapes = `\\''""` + "a\ab\bf\fn\nr\rt\tv\v"

// escape reads one escape sequence at its backslash. Like Python, it keeps the
// backslash of a sequence that means nothing.
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
