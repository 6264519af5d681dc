package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Position is a place in a channel's log: after the publication with Offset, or
// before the first one if no publication has that offset. It is comparable with
// others of the same channel and epoch. The zero Position is no place.
type Position struct {
	// Epoch names one life of the log; 0 is none.
	Epoch uint64

	// Offset is the offset of the newest publication before this place.
	Offset uint64
}

// positionBase is the radix of both numbers in text: the largest that is written without
// a division, since every message has a position.
const positionBase = 32

// IsZero tells whether p is no place at all.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the position as clients see it: an opaque text of letters,
// digits and one dash.
func (p Position) String() string { return string(p.Append(nil)) }

// Append appends the text of p to dst.
func (p Position) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, p.Epoch, positionBase)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, p.Offset, positionBase)
}

// ErrPosition: not the text of a position; see [ParsePosition].
var ErrPosition = errors.New("not a position: send the text that came with a message or a join, unchanged")

// ParsePosition reads the text that [Position.String] returns. It accepts exactly
// that text: each position has one spelling. Other text is [ErrPosition].
func ParsePosition(s string) (Position, error) {
	e, o, ok := strings.Cut(s, "-")
	if !ok {
		return Position{}, fmt.Errorf("position %.40q: %w", s, ErrPosition)
	}
	epoch, err1 := strconv.ParseUint(e, positionBase, 64)
	offset, err2 := strconv.ParseUint(o, positionBase, 64)
	p := Position{epoch, offset}
	if err1 != nil || err2 != nil || p.String() != s {
		return Position{}, fmt.Errorf("position %.40q: %w", s, ErrPosition)
	}
	return p, nil
}
