package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ParseMessage parses a text that is a message: one JSON value of any kind, including null. It
// returns the value without the white space around it. The value is a slice of text, byte for byte
// as received. If it contains newlines, it is a copy without white space instead, so that it is
// always one line. Its capacity equals its length.
//
// An error says why the text is malformed, and at which byte if it is not JSON.
func ParseMessage(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, errUTF8
	}
	v, err := onlyValue(text)
	if err != nil {
		return nil, err
	}
	return oneLine(v), nil
}

// onlyValue checks that a text is one JSON value, and returns it without the white space around it.
func onlyValue(text []byte) ([]byte, error) {
	start := skipSpace(text, 0)
	if start == len(text) {
		return nil, errNothing
	}
	end, err := skipValue(text, start)
	if err == nil {
		err = atEnd(text, end)
	}
	if err != nil {
		return nil, explain(text, err)
	}
	return text[start:end], nil
}

// oneLine returns a valid JSON text without newlines: the text itself, or a compacted copy.
func oneLine(v []byte) []byte {
	if bytes.IndexByte(v, '\n') >= 0 || bytes.IndexByte(v, '\r') >= 0 {
		v = compact(v)
	}
	return v[:len(v):len(v)]
}

var errNothing = errors.New("it is empty")

// explain adds to an error the byte at which the text stops being JSON. The scanner does not know
// the byte, so explain parses the text again with encoding/json; speed does not matter any more.
func explain(text []byte, err error) error {
	var value json.RawMessage
	var syntax *json.SyntaxError
	if errors.Is(err, errSyntax) && errors.As(json.Unmarshal(text, &value), &syntax) {
		return fmt.Errorf("%w: %w, at byte %d", err, syntax, syntax.Offset)
	}
	return err
}
