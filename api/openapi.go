package api

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes all of the API, for people and their generators.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI serves the description. All who read it read the same bytes, so they do not count
// as held for anyone.
func openAPI(w http.ResponseWriter, _ *http.Request, _ *call) {
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"] = typeJSON, nosniff
	w.Write(openAPIDocument)
}
