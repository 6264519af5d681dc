package config

import (
	"strings"
	"unicode/utf8"
)

// The format of Boreas 1.0 is a file of Python assignments, `name = value`, which Boreas 1.0 ran as
// Python. This parser accepts the parts that configurations use: one assignment per line, comments,
// and as values numbers, strings, True, False and None.

// entry is one assignment in a file of either format.
type entry struct {
	name    string
	nameAt  span
	value   value
	valueAt span
}

// parseConf parses the text of a file in the format of Boreas 1.0.
func parseConf(src source) ([]entry, []*Error) {
	var entries []entry
	var errs []*Error
	for i := range src.lines {
		line := confLine{src: src, number: i + 1, text: src.lines[i]}
		e, found, err := line.parse()
		switch {
		case err != nil:
			errs = append(errs, err)
		case found:
			entries = append(entries, e)
		}
	}
	return entries, errs
}

// confLine is a line that is being parsed. pos is the index of the next byte.
type confLine struct {
	src    source
	number int
	text   string
	pos    int
}

func (l *confLine) parse() (e entry, found bool, err *Error) {
	if !utf8.ValidString(l.text) {
		return e, false, l.errorf(0, len(l.text), "not UTF-8 text: save the file as UTF-8")
	}
	l.skipSpace()
	if l.atEnd() {
		return e, false, nil
	}
	start := l.pos
	for l.pos < len(l.text) && isNameByte(l.text[l.pos]) {
		l.pos++
	}
	e.name, e.nameAt = l.text[start:l.pos], span{l.number, start, l.pos}
	l.skipSpace()
	if e.name == "" || !l.next('=') || l.peek() == '=' {
		return e, false, l.errorf(start, len(l.text), "want a line such as api_port = 8001")
	}
	l.skipSpace()

	start = l.pos
	e.value, err = l.literal()
	if err != nil {
		return e, false, err
	}
	e.valueAt = span{l.number, start, l.pos}
	l.skipSpace()
	if l.next(';') {
		l.skipSpace()
	}
	if !l.atEnd() {
		return e, false, l.errorf(l.pos, len(l.text), "nothing but a comment may follow the value")
	}
	return e, true, nil
}

func (l *confLine) errorf(from, to int, format string, args ...any) *Error {
	return l.src.errorf(span{l.number, from, to}, format, args...)
}

// peek returns the next byte, or 0 at the end.
func (l *confLine) peek() byte {
	if l.pos < len(l.text) {
		return l.text[l.pos]
	}
	return 0
}

// next skips b, which must not be 0, if it is the next byte. It reports whether it was.
func (l *confLine) next(b byte) bool {
	if l.peek() != b {
		return false
	}
	l.pos++
	return true
}

func (l *confLine) skipSpace() {
	for l.pos < len(l.text) && strings.IndexByte(" \t\f", l.text[l.pos]) >= 0 {
		l.pos++
	}
}

func (l *confLine) atEnd() bool { return l.pos == len(l.text) || l.text[l.pos] == '#' }

func isNameByte(b byte) bool {
	return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// literal parses one Python literal.
func (l *confLine) literal() (value, *Error) {
	start := l.pos
	if quote := strings.IndexAny(l.text[start:], `'"`); quote >= 0 && quote <= 2 && isStringPrefix(l.text[start:start+quote]) {
		l.pos += quote
		return l.str(strings.ContainsAny(l.text[start:l.pos], "rR"))
	}
	for l.pos < len(l.text) && (isNameByte(l.text[l.pos]) || strings.IndexByte("+-.", l.text[l.pos]) >= 0) {
		l.pos++
	}
	word := l.text[start:l.pos]
	switch word {
	case "True":
		return value{"true", boolean}, nil
	case "False":
		return value{"false", boolean}, nil
	case "None":
		return value{word, none}, nil
	case "true", "false", "none":
		return value{}, l.errorf(start, l.pos, "write %s, with a capital letter as in Python", strings.ToUpper(word[:1])+word[1:])
	}
	if v := number(word); v.literal != other {
		return v, nil
	}
	if l.pos == start && l.atEnd() {
		return value{}, l.errorf(start, start, "the value is missing")
	}
	l.pos = len(l.text)
	return value{}, l.errorf(start, l.pos, "want a number, a text in quotes, True, False or None")
}
