package engine_test

import (
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A position is an opaque text for clients. A client returns it unchanged to continue after it.
func ExampleParsePosition() {
	p := engine.Position{Epoch: 1000, Offset: 42}
	text := p.String()
	fmt.Println(text)
	back, err := engine.ParsePosition(text)
	fmt.Println(back == p, err)
	_, err = engine.ParsePosition("yesterday")
	fmt.Println(errors.Is(err, engine.ErrPosition))
	// Output:
	// v8-1a
	// true <nil>
	// true
}
