package api

import (
	"net/http"
	"strconv"

	"github.com/boreas-pubsub/boreas"
)

// tokenDump shows every valid token, one a line.
func (s *service) tokenDump(w http.ResponseWriter, _ *http.Request, _ *call) {
	var b []byte
	for _, token := range s.options.Authority.All() {
		b = append(append(b, token...), '\n')
	}
	writeText(w, http.StatusOK, b)
}

// recipientDump shows how many sessions there are, and where. Its form is the
// original's byte for byte, with the space that stands before one of the tabs.
func (s *service) recipientDump(w http.ResponseWriter, _ *http.Request, _ *call) {
	census := s.hub.Census()
	b := []byte("RECEIVER POOL REPORT\nanonymous: ")
	b = strconv.AppendInt(b, int64(census.Anonymous), 10)
	b = appendCounts(append(b, "\nauthenticated:\n"...), census.Identities, "\t---\n")
	b = appendCounts(append(b, "channels:\n"...), census.Channels, " \t---\n")
	writeText(w, http.StatusOK, b)
}

// appendCounts appends one line for each name, or the line that stands for none.
func appendCounts(b []byte, counts []boreas.Count, none string) []byte {
	if len(counts) == 0 {
		return append(b, none...)
	}
	for _, c := range counts {
		b = append(append(b, "\t - "...), c.Name...)
		b = strconv.AppendInt(append(b, ": "...), int64(c.Sessions), 10)
		b = append(b, '\n')
	}
	return b
}
