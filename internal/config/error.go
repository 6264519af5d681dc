package config

import (
	"fmt"
	"strings"
)

// An Error is one mistake in the options. [Load] joins several with errors.Join.
type Error struct {
	Where   string // "--api-port", "BOREAS_API_PORT", "boreas.toml:3", or a file's name
	Message string
	Excerpt string // of a file: the line with a mark under what is wrong; may be ""

	line int // of a file, to sort by
}

func (e *Error) Error() string {
	s := e.Where + ": " + e.Message
	if e.Excerpt != "" {
		s += "\n" + e.Excerpt
	}
	return s
}

// source is a file's text, for errors that show where in it they are.
type source struct {
	name  string
	lines []string
}

func newSource(name, text string) source {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return source{name, lines}
}

// span is a stretch of one line: bytes from to to, counted from 0; line from 1.
type span struct{ line, from, to int }

func (s source) at(where span) string { return fmt.Sprintf("%s:%d", s.name, where.line) }

// errorf makes an Error that shows the stretch where.
func (s source) errorf(where span, format string, args ...any) *Error {
	return &Error{Where: s.at(where), Message: fmt.Sprintf(format, args...), Excerpt: s.excerpt(where), line: where.line}
}

// maxExcerpt is the length of a line, in bytes, above which it is not shown.
const maxExcerpt = 160

// excerpt shows the line with carets under the stretch. A line with a URL is not
// shown: there may be a password in it.
func (s source) excerpt(where span) string {
	if where.line < 1 || where.line > len(s.lines) {
		return ""
	}
	line := s.lines[where.line-1]
	if len(line) > maxExcerpt || strings.Contains(line, "://") {
		return ""
	}
	from := min(max(where.from, 0), len(line))
	to := min(max(where.to, from), len(line))
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r // as wide as the one above it
		}
		return ' '
	}, line[:from])
	carets := strings.Repeat("^", max(1, len([]rune(line[from:to]))))
	return fmt.Sprintf("%4d | %s\n     | %s%s", where.line, visible(line), pad, carets)
}

// visible replaces what could steer a terminal.
func visible(line string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return '?'
		}
		return r
	}, line)
}
