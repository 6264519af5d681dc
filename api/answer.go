package api

import (
	"encoding/json"
	"net/http"
	"strings"
)

// writeJSON writes a response with a JSON body.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	write(w, typeJSON, status, body)
}

// Header values, allocated once and never changed.
var (
	typeJSON = []string{"application/json"}
	typeText = []string{"text/plain; charset=utf-8"}
	nosniff  = []string{"nosniff"}
)

// writeText writes a response with a plain text body. Clients choose the names in it, so a browser
// must not guess that it is HTML.
func writeText(w http.ResponseWriter, status int, body []byte) {
	write(w, typeText, status, body)
}

// writeList writes {"<key>": ["...", "..."]}, with the same spaces as Python's json.dumps.
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

// refuse writes {"errors": ["..."]} and counts the reason.
func (s *service) refuse(w http.ResponseWriter, why reason, status int, sentence string) {
	s.counts.refused[why].Add(1)
	writeList(w, status, "errors", []string{sentence})
}

// appendString appends s as a JSON string. It replaces invalid UTF-8.
func appendString(dst []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // cannot fail for a string
	return append(dst, quoted...)
}

// sentence returns an error as a sentence for the API's user.
func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
