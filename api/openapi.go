package api

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes all of the API, for people and their generators.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI serves the description. All readers share the same bytes, so they do not count as held
// for any of them.
func openAPI(w http.ResponseWriter, _ *http.Request, _ *call) {
	h := w.Header()
	h["Content-Type"], h["X-Content-Type-Options"] = typeJSON, nosniff
	w.Write(openAPIDocument)
}
