package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"unicode"
)

// stats returns the hub's counters, in a cluster those of a node or of all nodes. The names are the fields of [boreas.Stats] in snake case, so
// that none can be missing. The test compares them with testdata/stats.json.
func (s *service) stats(dst []byte, _ http.ResponseWriter, r *http.Request, q query) ([]byte, int, error) {
	stats, answered, err := s.statsOf(r.Context(), q.values["node"])
	if err != nil {
		return nil, 0, err
	}
	dst = appendStruct(dst, reflect.ValueOf(stats))
	return append(answered.append(dst[:len(dst)-1]), '}'), http.StatusOK, nil
}

// appendStruct appends a struct of numbers, errors, structs, lists and maps as a JSON object.
func appendStruct(dst []byte, v reflect.Value) []byte {
	dst = append(dst, '{')
	for i := range v.NumField() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), snakeCase(v.Type().Field(i).Name)...), `":`...)
		dst = appendField(dst, v.Field(i))
	}
	return append(dst, '}')
}

// appendField appends a field of a struct: a nil pointer as null, an error as its text.
func appendField(dst []byte, v reflect.Value) []byte {
	switch {
	case v.Kind() == reflect.Struct:
		return appendStruct(dst, v)
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return appendField(dst, v.Elem())
	}
	value := v.Interface()
	if err, ok := value.(error); ok {
		value = err.Error()
	}
	text, _ := json.Marshal(value) // cannot fail for numbers and texts
	return append(dst, text...)
}

// snakeCase turns SessionsOpened into sessions_opened.
func snakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
