package trial

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

// content is the JSON of a message. The padding depends on the other fields, so a receiver can
// check the whole message.
type content struct {
	Channel   string `json:"c"`
	Publisher string `json:"p"`
	Seq       uint64 `json:"n"`
	NoEcho    bool   `json:"e,omitempty"` // the publisher does not want its own message back
	Pad       string `json:"pad"`
}

const (
	maxPad = 8000

	// flooder is the name of the publisher of floods. Their messages have floodPad letters of
	// padding.
	flooder  = "flood"
	floodPad = 5000
)

// newContent returns the JSON text of a message.
func newContent(m oracle.Message, noEcho bool) []byte {
	c := content{Channel: m.Channel, Publisher: m.Publisher, Seq: m.Seq, NoEcho: noEcho, Pad: pad(m)}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // impossible for strings and numbers
	}
	return text
}

// pad returns up to maxPad letters that depend on the message. Short paddings are more frequent
// than long ones, except in a flood.
func pad(m oracle.Message) string {
	h := fnv.New64a()
	fmt.Fprint(h, m)
	n := h.Sum64()
	size := int(n>>8) & 0xffff % maxPad
	if n&3 != 0 {
		size /= 20
	}
	if m.Publisher == flooder {
		size = floodPad
	}
	return strings.Repeat(string(rune('a'+n%26)), size)
}

// readContent returns the message in a text, and whether its publisher does not want it back. For a
// text that no publisher has written, it returns a message that was never published.
func readContent(text []byte) (m oracle.Message, noEcho bool) {
	var c content
	err := json.Unmarshal(text, &c)
	m = oracle.Message{Channel: c.Channel, Publisher: c.Publisher, Seq: c.Seq}
	if err != nil || string(newContent(m, c.NoEcho)) != string(text) {
		return oracle.Message{Publisher: fmt.Sprintf("nobody (%.100q)", text)}, false
	}
	return m, c.NoEcho
}
