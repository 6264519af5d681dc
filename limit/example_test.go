package limit_test

import (
	"fmt"
	"net/netip"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// Each client address may publish twice per second, and somewhat more in a burst. Pass the limits to
// ws, sse and api.
func Example() {
	limits := limit.New(limit.Options{Address: limit.Bounds{Publishes: 2}})
	client := limits.Address(netip.MustParseAddr("192.0.2.1"))
	for {
		if err := client.Publish(1); err != nil {
			fmt.Println(fault.Of(err).Code)
			return
		}
	}
	// Output: rate_limited
}
