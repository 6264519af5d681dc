package fault_test

import (
	"errors"
	"fmt"

	"github.com/boreas-pubsub/boreas/v2/fault"
)

// An own Check returns a fault with a message for the client.
func ExampleFault_With() {
	err := fault.NotPermitted.With("The account is locked.")
	fmt.Println(fault.Message(err))
	fmt.Println(fault.Of(err).Code, fault.Of(err).Status)
	fmt.Println(errors.Is(err, fault.NotPermitted))
	// Output:
	// The account is locked.
	// not_permitted 403
	// true
}
