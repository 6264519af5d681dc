package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"unicode"
)

// stats returns the hub's counters. The names are the fields of [boreas.Stats] in snake case, so
// that none can be missing. The test compares them with testdata/stats.json.
func (s *service) stats(dst []byte, _ http.ResponseWriter, _ *http.Request, _ query) ([]byte, int, error) {
	return appendStruct(dst, reflect.ValueOf(s.hub.Stats())), http.StatusOK, nil
}

// appendStruct appends a struct of numbers, structs, lists and maps as a JSON object.
func appendStruct(dst []byte, v reflect.Value) []byte {
	dst = append(dst, '{')
	for i := range v.NumField() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), snakeCase(v.Type().Field(i).Name)...), `":`...)
		if field := v.Field(i); field.Kind() == reflect.Struct {
			dst = appendStruct(dst, field)
		} else {
			text, _ := json.Marshal(field.Interface()) // cannot fail for numbers
			dst = append(dst, text...)
		}
	}
	return append(dst, '}')
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
