package trial

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/boreas-pubsub/boreas/internal/oracle"
)

// content is the JSON of a message. It says what the message is, and its padding
// follows from that, so that a receiver can tell whether all of it is right.
type content struct {
	Channel   string `json:"c"`
	Publisher string `json:"p"`
	Seq       uint64 `json:"n"`
	NoEcho    bool   `json:"e,omitempty"` // the publisher did not want it back
	Pad       string `json:"pad"`
}

const (
	maxPad = 8000

	// flooder publishes floods, all of whose messages have floodPad letters.
	flooder  = "flood"
	floodPad = 5000
)

// newContent returns the JSON text of the message.
func newContent(m oracle.Message, noEcho bool) []byte {
	c := content{Channel: m.Channel, Publisher: m.Publisher, Seq: m.Seq, NoEcho: noEcho, Pad: pad(m)}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and numbers
	}
	return text
}

// pad is up to maxPad letters that depend on the message, more often few than many.
// Those of a flood are large.
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

// readContent returns the message that the text is, and whether its publisher does not
// want it back. A text that no publisher wrote gives a message that nobody published.
func readContent(text []byte) (m oracle.Message, noEcho bool) {
	var c content
	err := json.Unmarshal(text, &c)
	m = oracle.Message{Channel: c.Channel, Publisher: c.Publisher, Seq: c.Seq}
	if err != nil || string(newContent(m, c.NoEcho)) != string(text) {
		return oracle.Message{Publisher: fmt.Sprintf("nobody (%.100q)", text)}, false
	}
	return m, c.NoEcho
}
