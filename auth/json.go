package auth

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// This file reads JSON that others have written: tokens, keys, answers of a backend. It decodes
// no more than it needs, and it is strict. An object with a repeated member is refused at any
// depth, because another program may take the member that we do not. Text that is not UTF-8, or
// has half of a surrogate pair, is refused too.

// object returns the members of a JSON object. It returns false if the text is anything else than
// one object. The values are parts of the text.
func object(text []byte) (map[string]jsontext.Value, bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, false
	}
	members := make(map[string]jsontext.Value)
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		key := name.String() // before the next read, which overwrites the token
		if members[key], err = readValue(d, text); err != nil {
			return nil, false
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	_, err := d.ReadToken()
	return members, err == io.EOF
}

// elements returns the elements of a JSON list. It returns false if the value is anything else.
// The elements are parts of the value.
func elements(v jsontext.Value) ([]jsontext.Value, bool) {
	if v.Kind() != '[' {
		return nil, false
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	d.ReadToken()
	list := []jsontext.Value{}
	for d.PeekKind() != ']' {
		e, err := readValue(d, v)
		if err != nil {
			return nil, false
		}
		list = append(list, e)
	}
	return list, true
}

// readValue reads the next value of the text that d decodes. It returns it as a part of the text,
// because d overwrites the value that it returns.
func readValue(d *jsontext.Decoder, text []byte) (jsontext.Value, error) {
	v, err := d.ReadValue()
	end := d.InputOffset()
	return text[end-int64(len(v)) : end : end], err
}

// stringOf returns the text of a JSON string. It returns false if the value is anything else, or
// nil.
func stringOf(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

// stringsOf returns the text of a JSON string, or the texts of a list of strings.
func stringsOf(v jsontext.Value) ([]string, bool) {
	if s, ok := stringOf(v); ok {
		return []string{s}, true
	}
	list, ok := elements(v)
	if !ok {
		return nil, false
	}
	all := make([]string, len(list))
	for i, e := range list {
		if all[i], ok = stringOf(e); !ok {
			return nil, false
		}
	}
	return all, true
}
