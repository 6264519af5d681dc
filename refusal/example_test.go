package refusal_test

import (
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/refusal"
)

// The log keeps the latest refusals. Pass it to ws, sse and api.
func Example() {
	log := refusal.New()
	log.Add(refusal.Entry{User: "ann", Code: "not_permitted", Channel: "news"})
	entries := log.Find(refusal.Filter{User: "ann"}, 10)
	fmt.Println(len(entries), entries[0].Code, entries[0].Channel)
	// Output: 1 not_permitted news
}
