package api

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes all of the API, for people and their generators.
//
//go:embed openapi.json
var openAPIDocument []byte

// openAPI serves the description.
func openAPI(w http.ResponseWriter, _ *http.Request, _ *call) {
	writeJSON(w, http.StatusOK, openAPIDocument)
}
