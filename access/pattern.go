package access

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxPattern is the maximum length of a pattern in bytes.
const MaxPattern = MaxChannelName

// A Pattern matches channel names. One star matches any number of characters except dots. Two stars
// match any number of any characters. Every other character matches itself. So chat.* matches
// chat.1 but not chat.1.log, chat.** matches both, and ** matches every name.
//
// A Pattern is immutable and safe for concurrent use. The zero Pattern matches no name.
type Pattern struct {
	text   string
	prefix string // the part before the first star
	kind   patternKind
	rest   *patternRest // the part after prefix; set only if kind is patternOther
}

// patternKind separates the usual patterns, which need one comparison, from all others.
type patternKind uint8

const (
	patternLiteral patternKind = iota // no star
	patternStar                       // prefix*
	patternStars                      // prefix**
	patternOther
)

// ParsePattern parses a pattern: 1 to [MaxPattern] bytes of UTF-8 without control characters, and
// at most two stars in a row. The error says what is wrong and where.
func ParsePattern(text string) (Pattern, error) {
	switch {
	case text == "":
		return Pattern{}, fmt.Errorf("the pattern is empty: ** matches every channel")
	case len(text) > MaxPattern:
		return Pattern{}, fmt.Errorf("pattern %.40q…: it has %d bytes, more than %d", text, len(text), MaxPattern)
	}
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			return Pattern{}, fmt.Errorf("pattern %q: it is not valid UTF-8 at byte %d", text, i)
		case unicode.IsControl(r):
			return Pattern{}, fmt.Errorf("pattern %q: control character %U at byte %d", text, r, i)
		}
	}
	if i := strings.Index(text, "***"); i >= 0 {
		return Pattern{}, fmt.Errorf("pattern %q: three stars in a row at byte %d: * matches anything except a dot, ** matches anything", text, i)
	}
	return compile(text), nil
}

// literalStar stands for a literal star in a text that is passed to compile. It is a control
// character, so it occurs neither in a pattern from outside nor in a channel name.
const literalStar = '\x00'

// compile makes a Pattern from a valid text.
func compile(text string) Pattern {
	p := Pattern{text: text, prefix: text}
	if i := strings.IndexByte(text, '*'); i >= 0 {
		p.prefix = text[:i]
		switch rest := text[i:]; rest {
		case "*":
			p.kind = patternStar
		case "**":
			p.kind = patternStars
		default:
			p.kind, p.rest = patternOther, compilePattern(rest)
		}
	}
	p.prefix = strings.ReplaceAll(p.prefix, string(literalStar), "*")
	return p
}

// String returns the text of the pattern.
func (p Pattern) String() string { return p.text }

// Match reports whether the pattern matches the whole name, which has at most [MaxChannelName]
// bytes. The time it takes depends only on the length of the name. It allocates nothing.
func (p Pattern) Match(name string) bool {
	if p.kind == patternLiteral {
		return name == p.prefix && name != ""
	}
	rest, ok := strings.CutPrefix(name, p.prefix)
	switch {
	case !ok:
		return false
	case p.kind == patternStar:
		return strings.IndexByte(rest, '.') < 0
	case p.kind == patternStars:
		return true
	}
	return p.rest.match(rest)
}

// patternRest is the part of a pattern from its first star on, as an automaton. Each state is a
// bit: state i means that i literal bytes have been matched. A byte moves a state on to the next
// one if it is the next literal, and lets the state stay if a star allows that. All states move at
// once with a few word operations, so no pattern can cause backtracking.
type patternRest struct {
	final   int        // number of the last state
	star    patternSet // states that stay for any byte except a dot
	stars   patternSet // states that stay for any byte
	rows    []patternSet
	literal [256]uint8 // the row for each byte: the states that it leads to; row 0 is empty
}

// patternSet is a set of states. A pattern has one state more than it has bytes.
type patternSet [(MaxPattern + 1 + 63) / 64]uint64

func (s *patternSet) set(i int) { s[i/64] |= 1 << (i % 64) }

func compilePattern(text string) *patternRest {
	r := &patternRest{rows: make([]patternSet, 1)}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == literalStar:
			r.next('*')
		case strings.HasPrefix(text[i:], "**"):
			r.stars.set(r.final)
			i++
		case c == '*':
			r.star.set(r.final)
		default:
			r.next(c)
		}
	}
	for i := range r.star {
		r.star[i] |= r.stars[i]
	}
	return r
}

// next adds a state, and a transition to it from the last state with the byte.
func (r *patternRest) next(c byte) {
	if r.literal[c] == 0 {
		r.literal[c] = uint8(len(r.rows)) // at most 255, because a pattern has no more bytes
		r.rows = append(r.rows, patternSet{})
	}
	r.final++
	r.rows[r.literal[c]].set(r.final)
}

func (r *patternRest) match(name string) bool {
	if r.final < 64 {
		return r.matchWord(name)
	}
	s0, s1, s2, s3 := uint64(1), uint64(0), uint64(0), uint64(0)
	for i := 0; i < len(name) && s0|s1|s2|s3 != 0; i++ {
		row, stay := &r.rows[r.literal[name[i]]], &r.star
		if name[i] == '.' {
			stay = &r.stars
		}
		// The highest word first: each word takes the top bit of the word below.
		s3 = (s3<<1|s2>>63)&row[3] | s3&stay[3]
		s2 = (s2<<1|s1>>63)&row[2] | s2&stay[2]
		s1 = (s1<<1|s0>>63)&row[1] | s1&stay[1]
		s0 = s0<<1&row[0] | s0&stay[0]
	}
	now := patternSet{s0, s1, s2, s3}
	return now[r.final/64]>>(r.final%64)&1 == 1
}

// matchWord is match for the usual case in which all states fit in one word.
func (r *patternRest) matchWord(name string) bool {
	now := uint64(1)
	for i := 0; i < len(name) && now != 0; i++ {
		stay := r.star[0]
		if name[i] == '.' {
			stay = r.stars[0]
		}
		now = now<<1&r.rows[r.literal[name[i]]][0] | now&stay
	}
	return now>>r.final&1 == 1
}
