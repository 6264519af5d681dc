package api

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// OpenAPIDocument is the content of /openapi.json.
var OpenAPIDocument = openAPIDocument

var allRoutes = sync.OnceValue(func() *routes {
	return (&service{options: Options{Debug: true, Registry: prometheus.NewRegistry()}}).routes()
})

// Patterns returns the patterns of all possible routes.
func Patterns() []string {
	var list []string
	for _, r := range allRoutes().list {
		list = append(list, r.pattern)
	}
	return list
}

// PatternOf returns the pattern of the route of a request, or "" if there is none.
func PatternOf(r *http.Request) string {
	m, _ := allRoutes().find(r.URL.EscapedPath())
	method := r.Method
	if method == "HEAD" {
		method = "GET"
	}
	if found := m[method]; found != nil {
		return found.pattern
	}
	return ""
}
