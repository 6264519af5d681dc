package nodes

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// wireVersion is the "v" of messages. It grows when an older node would misunderstand a message.
const wireVersion = 1

// beat is a sign of life. A hello has the same form.
type beat struct {
	V           int             `json:"v"`
	Incarnation string          `json:"incarnation"`
	Version     string          `json:"version,omitempty"`
	Started     time.Time       `json:"started"`
	Now         time.Time       `json:"now"`           // the clock of the node
	Bye         bool            `json:"bye,omitempty"` // the node stops
	Info        json.RawMessage `json:"info,omitempty"`
	Digest      json.RawMessage `json:"presence,omitempty"` // what Watcher.Digest returned
}

// question is the head of a question. Its content follows.
type question struct {
	V           int    `json:"v"`
	ID          uint64 `json:"id"` // among the questions of this incarnation
	From        string `json:"from"`
	Incarnation string `json:"incarnation"`
	Kind        string `json:"kind"`
	Wait        int64  `json:"wait_ms"` // how long the asking node waits
}

// answer is the head of a part of an answer. Its content follows.
type answer struct {
	V           int    `json:"v"`
	ID          uint64 `json:"id"` // of the question
	From        string `json:"from"`
	Incarnation string `json:"incarnation"`
	Failed      string `json:"failed,omitempty"` // why there is no answer
	Part        int    `json:"part"`             // from 0
	Parts       int    `json:"parts"`
}

// encode returns a message.
func encode(head any, content []byte) []byte {
	line, err := json.Marshal(head)
	if err != nil {
		panic(err) // the heads contain nothing else, and Info has been checked
	}
	message := make([]byte, 0, len(line)+1+len(content))
	return append(append(append(message, line...), '\n'), content...)
}

var errForm = errors.New("the message is not a line of JSON")

// decode sets the head of a message and returns its content.
func decode(message []byte, head any) (content []byte, err error) {
	line, content, found := bytes.Cut(message, []byte("\n"))
	if !found || len(line) > maxHead {
		return nil, errForm
	}
	if err := json.Unmarshal(line, head); err != nil {
		return nil, fmt.Errorf("%w: %w", errForm, err)
	}
	return content, nil
}

// newIncarnation returns a random name for one life of a node. It is a token of a subject.
func newIncarnation() string {
	b := make([]byte, 8)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// validIncarnation reports whether the text is a result of newIncarnation.
func validIncarnation(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 8
}
