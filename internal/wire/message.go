package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// ParseMessage reads a text that is a message itself: one JSON value of any kind,
// null included. It returns the value without the space around it: a slice of text,
// byte for byte as it came in, or, if it holds newlines, a copy without space, so that
// it is always one line. Its capacity is its length.
//
// An error says what is wrong with the text, and where if it is no JSON.
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

// onlyValue checks that a text is one JSON value, and returns it without space around it.
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

// oneLine returns a valid JSON text without newlines: the text itself, or a copy.
func oneLine(v []byte) []byte {
	if bytes.IndexByte(v, '\n') >= 0 || bytes.IndexByte(v, '\r') >= 0 {
		v = compact(v)
	}
	return v[:len(v):len(v)]
}

var errNothing = errors.New("it is empty")

// explain says where a text stops being JSON. The scanner that found the error does
// not know; encoding/json does, and being slow does not matter any more.
func explain(text []byte, err error) error {
	var value json.RawMessage
	var syntax *json.SyntaxError
	if errors.Is(err, errSyntax) && errors.As(json.Unmarshal(text, &value), &syntax) {
		return fmt.Errorf("%w: %w, at byte %d", err, syntax, syntax.Offset)
	}
	return err
}
