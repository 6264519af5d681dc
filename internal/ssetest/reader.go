// Package ssetest reads server-sent events for the tests. It is written from section 9.2.6 of WHATWG
// HTML, and stricter than a browser: it accepts only lines that the server is supposed to write.
package ssetest

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// An Event is one event. Comments are events of the type ":".
type Event struct{ Type, ID, Retry, Data string }

// A Reader reads the events of a stream.
type Reader struct{ lines *bufio.Reader }

// New returns a reader of the body of a response.
func New(body io.Reader) *Reader { return &Reader{bufio.NewReader(body)} }

// Read returns the next event or comment. The error is [io.EOF] at the end of the stream, and another
// one if the stream ends within an event.
func (r *Reader) Read() (Event, error) {
	var e Event
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			if line != "" || e != (Event{}) {
				err = fmt.Errorf("%w, after %q and %+v", io.ErrUnexpectedEOF, line, e)
			}
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			return e, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			e.Type = ":"
		case "event":
			e.Type = value
		case "id":
			e.ID = value
		case "retry":
			e.Retry = value
		case "data":
			e.Data += value
		default:
			return e, fmt.Errorf("the line %q", line)
		}
	}
}

// Next returns the next event that is not a comment; see [Reader.Read].
func (r *Reader) Next() (Event, error) {
	for {
		if e, err := r.Read(); err != nil || e.Type != ":" {
			return e, err
		}
	}
}
