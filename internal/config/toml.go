package config

import (
	"errors"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML parses the text of a TOML file. First the library checks the whole text, including
// duplicate keys, with error positions. Then its parser finds the position of each value, for
// errors in values.
func parseTOML(src source, text string) ([]entry, []*Error) {
	var ignored map[string]any
	if err := toml.Unmarshal([]byte(text), &ignored); err != nil {
		return nil, []*Error{tomlError(src, err)}
	}
	var entries []entry
	var errs []*Error
	parser := &unstable.Parser{}
	parser.Reset([]byte(text))
	for parser.NextExpression() {
		node := parser.Expression()
		key := node.Key()
		key.Next()
		at := spanOf(parser, key.Node())
		if node.Kind != unstable.KeyValue {
			errs = append(errs, src.errorf(at, "tables are not supported: write all options at the top, as name = value"))
			break // the rest of the file belongs to the table
		}
		if !key.IsLast() {
			errs = append(errs, src.errorf(at, "tables are not supported: write an option's name without dots"))
			continue
		}
		e := entry{name: string(key.Node().Data), nameAt: at}
		e.value, e.valueAt = tomlValue(parser, node.Value(), at)
		entries = append(entries, e)
	}
	return entries, errs
}

func tomlError(src source, err error) *Error {
	var syntax *toml.DecodeError
	if !errors.As(err, &syntax) {
		return &Error{Where: src.name, Message: err.Error()}
	}
	line, column := syntax.Position()
	return src.errorf(span{line, column - 1, column}, "%s", trimTOML(syntax.Error()))
}

// trimTOML removes the library's name from the start of its messages.
func trimTOML(message string) string {
	const prefix = "toml: "
	if len(message) > len(prefix) && message[:len(prefix)] == prefix {
		return message[len(prefix):]
	}
	return message
}

func spanOf(parser *unstable.Parser, node *unstable.Node) span {
	shape := parser.Shape(node.Raw)
	if shape.Start.Line != shape.End.Line {
		return span{shape.Start.Line, shape.Start.Column - 1, shape.Start.Column}
	}
	return span{shape.Start.Line, shape.Start.Column - 1, shape.End.Column - 1}
}

// tomlValue returns the value and its position. If the parser does not know the position, it
// returns that of the key.
func tomlValue(parser *unstable.Parser, node *unstable.Node, key span) (value, span) {
	at := key
	if node.Raw.Length > 0 && node.Kind != unstable.InlineTable { // the parser knows only the end of an inline table
		at = spanOf(parser, node)
	}
	written := string(node.Data)
	switch node.Kind {
	case unstable.String:
		return value{written, text}, at
	case unstable.Integer:
		if v, ok := integerOf(written); ok {
			return v, at
		}
		return value{written, float}, at
	case unstable.Float:
		return value{written, float}, at
	case unstable.Bool:
		return value{written, boolean}, at
	case unstable.Array:
		return value{"a list", other}, at
	case unstable.InlineTable:
		return value{"a table", other}, at
	default:
		return value{"a date or time", other}, at
	}
}
