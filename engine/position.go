package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Position is a place in a channel's log, between two publications. Positions of the same channel
// and epoch are ordered by their offsets. The zero Position is not a place; see [Position.IsZero].
type Position struct {
	// Epoch identifies an uninterrupted part of the log. Only the zero Position has 0.
	Epoch uint64

	// Offset is the offset of the last publication before this place. A greater offset that is
	// below the next publication's is the same place.
	Offset uint64
}

// positionBase is the radix of both numbers in text. 32 is the largest radix that strconv writes
// without a division; speed matters because every message has a position.
const positionBase = 32

// IsZero reports whether p is the zero Position, which is not a place.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the position as clients see it: an opaque text of letters, digits and one dash.
func (p Position) String() string { return string(p.Append(nil)) }

// Append appends the text of p to dst.
func (p Position) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, p.Epoch, positionBase)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, p.Offset, positionBase)
}

// ErrPosition means that a text is not a position; see [ParsePosition].
var ErrPosition = errors.New("not a position: send the text that came with a message or a join, unchanged")

// ParsePosition parses the text that [Position.String] returns. It accepts only that text, so that
// each position has one spelling. For any other text the error is an [ErrPosition].
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
