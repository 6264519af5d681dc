package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

// parse reads a provider's output: JSON if it starts like JSON, otherwise lines.
func parse(text []byte) ([]string, error) {
	text, err := textfile.Decode(text)
	if err != nil {
		return nil, err
	}
	switch trimmed := bytes.TrimSpace(text); {
	case bytes.HasPrefix(trimmed, []byte("{")):
		return parseObject(trimmed)
	case bytes.HasPrefix(trimmed, []byte("[")):
		return parseList(trimmed)
	}
	return parseLines(string(text))
}

// parseLines reads one token per line, and skips empty lines.
func parseLines(text string) ([]string, error) {
	var tokens []string
	number := 0
	for line := range strings.Lines(text) {
		number++
		token := strings.TrimSpace(line)
		if token == "" {
			continue
		}
		if err := check(token); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

func parseObject(text []byte) ([]string, error) {
	members, ok := object(text)
	if !ok {
		return nil, jsonError(text)
	}
	list, ok := members["tokens"]
	if !ok {
		return nil, errors.New(`the JSON object has no "tokens"`)
	}
	return parseList(list)
}

func parseList(text []byte) ([]string, error) {
	if !json.Valid(text) {
		return nil, jsonError(text)
	}
	list, ok := elements(text)
	if !ok {
		return nil, jsonError(text)
	}
	tokens := make([]string, len(list))
	for i, element := range list {
		token, ok := stringOf(element)
		if !ok {
			return nil, fmt.Errorf("token %d of the list is not a string", i+1)
		}
		if err := check(token); err != nil {
			return nil, fmt.Errorf("token %d of the list: %w", i+1, err)
		}
		tokens[i] = token
	}
	return tokens, nil
}

// jsonError returns why a text is not the expected JSON. It does not return the decoder's own
// error, because that may quote a token.
func jsonError(text []byte) error {
	var value any
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, &value); errors.As(err, &syntax) {
		offset := min(int(syntax.Offset), len(text))
		return fmt.Errorf("line %d: not valid JSON", 1+bytes.Count(text[:offset], []byte("\n")))
	}
	// encoding/json accepts texts that the decoder for tokens refuses, and would change them.
	_, err := jsontext.NewDecoder(bytes.NewBuffer(text)).ReadValue()
	var strict *jsontext.SyntacticError
	if errors.As(err, &strict) {
		line := 1 + bytes.Count(text[:min(int(strict.ByteOffset), len(text))], []byte("\n"))
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return fmt.Errorf("line %d: a member occurs more than once", line)
		}
		return fmt.Errorf("line %d: half of a surrogate pair, which is not a character, or not valid UTF-8", line)
	}
	return errors.New(`want a JSON list of tokens, or an object that has it under "tokens"`)
}
