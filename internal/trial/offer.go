package trial

import "net/http"

// offers are offers of compression. Each client's connections make one after the other.
var offers = [...]string{
	"",
	"permessage-deflate",
	"permessage-deflate; server_max_window_bits=10",
	"permessage-deflate; server_no_context_takeover",
}

// offer returns the headers of the next handshake.
func (t *trial) offer() http.Header {
	o := offers[t.dialed.Add(1)%uint64(len(offers))]
	if o == "" {
		return nil
	}
	return http.Header{"Sec-Websocket-Extensions": {o}}
}
