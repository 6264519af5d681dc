package auth

import (
	"fmt"
	"hash/crc32"
)

// A chain is the checksum of all lines of a journal so far, CRC-32C. Each line ends with it, as
// the last member of its object. This detects a changed bit, and a line that is missing,
// repeated or out of place.
type chain uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumForm is the end of each line, without the newline.
const sumForm = `,"sum":"%08x"}`

var sumLength = len(fmt.Sprintf(sumForm, 0))

// seal appends an object as a line with its checksum. The object must have members.
func (c *chain) seal(dst, object []byte) []byte {
	body := object[:len(object)-1] // without the brace at its end
	*c = c.after(body)
	dst = append(dst, body...)
	return append(fmt.Appendf(dst, sumForm, uint32(*c)), '\n')
}

// open is the opposite of seal. It returns false, and leaves the chain as it is, if the text
// is not a line that follows in this chain. It writes to the text.
func (c *chain) open(text []byte) (object []byte, ok bool) {
	end := len(text) - sumLength - 1
	if end < 1 {
		return nil, false
	}
	next := c.after(text[:end])
	if string(text[end:]) != fmt.Sprintf(sumForm+"\n", uint32(next)) {
		return nil, false
	}
	*c = next
	text[end] = '}'
	return text[:end+1], true
}

func (c *chain) after(body []byte) chain {
	return chain(crc32.Update(uint32(*c), castagnoli, body))
}
