package config

import (
	"fmt"
	"slices"
	"strings"
)

// An Error is one error in the options. [Load] joins several with errors.Join.
type Error struct {
	Where   string // "--api-port", "BOREAS_API_PORT", "boreas.toml:3", or a file's name
	Message string
	Excerpt string // for a file: the line with a mark under the wrong part; may be ""

	line int // in a file, for sorting
}

func (e *Error) Error() string {
	s := e.Where + ": " + e.Message
	if e.Excerpt != "" {
		s += "\n" + e.Excerpt
	}
	return s
}

// source is the text of a file, for errors that show a part of it.
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

// span is a part of one line. Lines are counted from 1, bytes from 0. to is exclusive.
type span struct{ line, from, to int }

func (s source) at(where span) string { return fmt.Sprintf("%s:%d", s.name, where.line) }

// errorf returns an Error at the given span.
func (s source) errorf(where span, format string, args ...any) *Error {
	return &Error{Where: s.at(where), Message: fmt.Sprintf(format, args...), Excerpt: s.excerpt(where), line: where.line}
}

// maxExcerpt is the length in bytes of the longest line that an error shows.
const maxExcerpt = 160

// mayBeSecret reports whether a line may contain a password, a secret or a key: in a URL, or as the value
// of an option whose name, even misspelled, says so.
func mayBeSecret(line string) bool {
	name, value, _ := strings.Cut(strings.ToLower(line), "=")
	return strings.Contains(line, "://") || strings.Contains(line, "bk_") || value != "" && !strings.Contains(value, "file:") &&
		slices.ContainsFunc([]string{"pass", "word", "secret", "token", "key"}, func(part string) bool { return strings.Contains(name, part) })
}

// excerpt returns the line with carets under the span. It does not show a line that may contain a
// secret, because the server logs the errors of a reload.
func (s source) excerpt(where span) string {
	if where.line < 1 || where.line > len(s.lines) {
		return ""
	}
	line := s.lines[where.line-1]
	if len(line) > maxExcerpt || mayBeSecret(line) {
		return ""
	}
	from := min(max(where.from, 0), len(line))
	to := min(max(where.to, from), len(line))
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r // as wide as the tab in the line above
		}
		return ' '
	}, line[:from])
	carets := strings.Repeat("^", max(1, len([]rune(line[from:to]))))
	return fmt.Sprintf("%4d | %s\n     | %s%s", where.line, visible(line), pad, carets)
}

// visible replaces control characters, because they could change the state of a terminal.
func visible(line string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return '?'
		}
		return r
	}, line)
}
