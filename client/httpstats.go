package client

import (
	"context"
	"net/http"
)

// Stats are the most important counters of the server, of all nodes of a cluster together. GET
// /v2/stats has more of them.
type Stats struct {
	Anonymous     int               `json:"anonymous"`     // sessions without a token
	Authenticated int               `json:"authenticated"` // sessions with a token
	Blocked       int               `json:"blocked"`       // sessions that wait for their connection, or catch up
	Publishes     uint64            `json:"publishes"`     // messages since the server started
	Deliveries    uint64            `json:"deliveries"`    // messages written to sessions since then
	Gaps          map[string]uint64 `json:"gaps"`          // gaps since then, by reason

	Engine struct {
		Publications int64 `json:"publications"` // kept messages
		Bytes        int64 `json:"bytes"`        // their size, with the overhead
	} `json:"engine"`

	Nodes *Nodes `json:"nodes,omitempty"` // nil without a cluster
}

// GapCount returns the number of all gaps.
func (s *Stats) GapCount() (n uint64) {
	for _, count := range s.Gaps {
		n += count
	}
	return n
}

// Stats returns counters of the server.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	var answer Stats
	err := c.call(ctx, "read the counters", http.MethodGet, "/v2/stats", nil, &answer)
	return answer, err
}
