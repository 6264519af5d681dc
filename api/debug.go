package api

import (
	"net/http"
	"strconv"

	"github.com/boreas-pubsub/boreas/v2"
)

// tokenDump lists every valid token, one per line.
func (s *service) tokenDump(w http.ResponseWriter, _ *http.Request, _ *call) {
	var b []byte
	for _, token := range s.options.Authority.All() {
		b = append(append(b, token...), '\n')
	}
	writeText(w, http.StatusOK, b)
}

// recipientDump counts sessions and subscribers. Its format is that of Boreas 1.0, byte for byte,
// including the space before one of the tabs.
func (s *service) recipientDump(w http.ResponseWriter, _ *http.Request, _ *call) {
	census := s.hub.Counts()
	b := []byte("RECEIVER POOL REPORT\nanonymous: ")
	b = strconv.AppendInt(b, int64(census.Anonymous), 10)
	b = appendCounts(append(b, "\nauthenticated:\n"...), census.Identities, "\t---\n")
	b = appendCounts(append(b, "channels:\n"...), census.Channels, " \t---\n")
	writeText(w, http.StatusOK, b)
}

// appendCounts appends one line for each name, or none if there are no names.
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
