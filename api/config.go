package api

import (
	"net/http"
)

// A ConfigOption is an option of the program with the value that is in force.
type ConfigOption struct {
	Name  string `json:"name"`
	Value string `json:"value"` // of a secret only "set", or ""
	From  string `json:"from"`  // where the value was given: "flag", "environment" or "file"; otherwise "default"

	// Secret means that the value is not shown.
	Secret bool `json:"secret,omitempty"`
}

// listConfig lists all options without pages, because their number is fixed.
func (s *service) listConfig(dst []byte, _ http.ResponseWriter, _ *http.Request, _ query) ([]byte, int, error) {
	dst = append(dst, `{"options":[`...)
	var options []ConfigOption
	if s.options.Config != nil {
		options = s.options.Config()
	}
	for i, o := range options {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, o)
	}
	return append(dst, "]}"...), http.StatusOK, nil
}

// callerJSON describes the caller.
type callerJSON struct {
	Key      *string  `json:"key"` // null without a key
	Name     string   `json:"name,omitempty"`
	Verbs    []string `json:"verbs"`
	Channels []string `json:"channels"` // null for all channels
	Expires  *string  `json:"expires,omitempty"`
	Open     bool     `json:"open,omitempty"`
	Node     string   `json:"node,omitempty"`
	Version  string   `json:"version"`
}

// callerInfo describes what the caller may do. Without a key the API is open to it, and it may do
// everything.
func (s *service) callerInfo(dst []byte, _ http.ResponseWriter, _ *http.Request, q query) ([]byte, int, error) {
	c := callerJSON{Verbs: []string{"admin"}, Open: q.key == nil, Node: s.options.Node, Version: s.options.Version}
	if k := q.key; k != nil {
		shown := newKeyJSON(*k)
		c.Key, c.Name, c.Verbs, c.Channels, c.Expires = &k.ID, k.Name, shown.Verbs, shown.Channels, shown.Expires
	}
	return appendJSON(dst, c), http.StatusOK, nil
}
