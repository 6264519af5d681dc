package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/boreas-pubsub/boreas/internal/textfile"
)

// parse reads what a provider gave: JSON if it begins as such, otherwise lines.
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

// parseLines takes one token a line; empty lines are skipped.
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
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, jsonError(text, err)
	}
	list, ok := object["tokens"]
	if !ok {
		return nil, errors.New(`the JSON object has no "tokens"`)
	}
	return parseList(list)
}

func parseList(text []byte) ([]string, error) {
	var list []any
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, jsonError(text, err)
	}
	tokens := make([]string, len(list))
	for i, element := range list {
		token, ok := element.(string)
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

// jsonError says where the text stops being the JSON wanted. The decoder's own words
// would do, but they may quote what stands there.
func jsonError(text []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		offset := min(int(syntax.Offset), len(text))
		return fmt.Errorf("line %d: not valid JSON", 1+bytes.Count(text[:offset], []byte("\n")))
	}
	return errors.New(`want a JSON list of tokens, or an object that has it under "tokens"`)
}
