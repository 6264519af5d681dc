package api

import (
	"encoding/json"
	"net/http"
	"strings"
)

// writeJSON answers with a JSON text.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	write(w, typeJSON, status, body)
}

// Values of headers, created once and never changed.
var (
	typeJSON = []string{"application/json"}
	typeText = []string{"text/plain; charset=utf-8"}
	nosniff  = []string{"nosniff"}
)

// writeText answers with plain text. Names in it are chosen by clients, so a
// browser must not guess that it is HTML.
func writeText(w http.ResponseWriter, status int, body []byte) {
	write(w, typeText, status, body)
}

// writeList answers {"<key>": ["...", "..."]}, spaced as Python's json.dumps did it.
func writeList(w http.ResponseWriter, status int, key string, list []string) {
	writeJSON(w, status, appendList(nil, key, list))
}

func appendList(dst []byte, key string, list []string) []byte {
	dst = append(appendString(append(dst, '{'), key), ": ["...)
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendString(dst, s)
	}
	return append(dst, "]}"...)
}

// refuse answers {"errors": ["..."]} and counts the reason.
func (s *service) refuse(w http.ResponseWriter, why reason, status int, sentence string) {
	s.counts.refused[why].Add(1)
	writeList(w, status, "errors", []string{sentence})
}

// appendString appends s as a JSON string; what is not UTF-8 in it is replaced.
func appendString(dst []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // cannot fail for a string
	return append(dst, quoted...)
}

// sentence makes a sentence for the API's user of an error.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
