package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// An Item is one message of a batch.
type Item struct {
	Channel string
	Message []byte // as ParseMessage returns it
	Key     string // "" if the item has none
	Err     error  // why the item is malformed; the other fields are then zero
}

// Errors of [ParseBatch].
var (
	errNoMessages  = errors.New("`messages` is required and must be a list")
	errItem        = errors.New("it is not an object")
	errItemChannel = errors.New("`channel` is required and must be a string")
	errItemMessage = errors.New("`message` is required")
	errItemKey     = errors.New("`key` must be a string that is not empty")
)

// ParseBatch parses the body of a batch:
//
//	{"messages": [{"channel": "news", "message": <any>, "key": "..."}, ...]}
//
// A batch may have at most limit items. A malformed item has an Err and does not affect the other
// items. Unknown members are errors: otherwise the server would silently ignore a misspelt name,
// such as that of a key. If a member is repeated, the last one counts.
func ParseBatch(body []byte, limit int) ([]Item, error) {
	if !utf8.Valid(body) {
		return nil, errUTF8
	}
	if _, err := onlyValue(body); err != nil {
		return nil, err
	}
	var list []byte
	if err := eachMember(body, func(name string, value []byte) error {
		if name != "messages" {
			return fmt.Errorf("unknown member %.40q: the body has `messages` only", name)
		}
		list = value
		return nil
	}); err != nil {
		return nil, err
	}
	if len(list) == 0 || list[0] != '[' {
		return nil, errNoMessages
	}
	var items []Item
	for i := skipSpace(list, 1); list[i] != ']'; {
		if len(items) == limit {
			return nil, fmt.Errorf("there are more than %d messages: send the rest in another request", limit)
		}
		end, _ := skipValue(list, i)
		items = append(items, parseItem(list[i:end]))
		if i = skipSpace(list, end); list[i] == ',' {
			i = skipSpace(list, i+1)
		}
	}
	return items, nil
}

// parseItem parses a valid JSON value as one item.
func parseItem(v []byte) Item {
	var item Item
	var channel, key []byte
	err := eachMember(v, func(name string, value []byte) error {
		switch name {
		case "channel":
			channel = value
		case "message":
			item.Message = oneLine(value)
		case "key":
			key = value
		default:
			return fmt.Errorf("unknown member %.40q: an item has `channel`, `message` and `key`", name)
		}
		return nil
	})
	if err != nil {
		return Item{Err: err}
	}
	var ok bool
	if channel == nil {
		return Item{Err: errItemChannel}
	}
	if item.Channel, ok = unquote(channel); !ok {
		return Item{Err: errItemChannel}
	}
	if item.Message == nil {
		return Item{Err: errItemMessage}
	}
	if key != nil {
		if item.Key, ok = unquote(key); !ok || item.Key == "" {
			return Item{Err: errItemKey}
		}
	}
	return item
}

// eachMember calls f with each member of a valid JSON object, in order, until f returns an error.
func eachMember(v []byte, f func(name string, value []byte) error) error {
	i := skipSpace(v, 0)
	if v[i] != '{' {
		return errItem
	}
	for i = skipSpace(v, i+1); v[i] != '}'; {
		keyEnd, start := skipKey(v, i)
		name, ok := unquote(v[i:keyEnd])
		if !ok { // half of a surrogate pair: the name is not a known one
			name = string(v[i:keyEnd])
		}
		end, _ := skipValue(v, start)
		if err := f(name, v[start:end]); err != nil {
			return err
		}
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return nil
}
