package memory_test

import (
	"context"
	"fmt"
	"log"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
)

// The engine keeps the newest messages of each channel. A read after an older position reports that
// messages are gone.
func Example() {
	ctx := context.Background()
	e := memory.New(memory.Options{Messages: 2})
	defer e.Close()

	var first engine.Position
	for i := 1; i <= 4; i++ {
		ack, err := e.Publish(ctx, "news", engine.Message{Data: fmt.Append(nil, i)})
		if err != nil {
			log.Fatal(err)
		}
		if i == 1 {
			first = ack.Position
		}
	}
	h, err := e.Read(ctx, "news", first, engine.Limit{Messages: 10})
	fmt.Println(err)
	h, err = e.Read(ctx, "news", h.Floor, engine.Limit{Messages: 10})
	for _, p := range h.Publications {
		fmt.Println(string(p.Data), err)
	}
	// Output:
	// boreas: position has expired: publications after it are no longer kept
	// 3 <nil>
	// 4 <nil>
}
