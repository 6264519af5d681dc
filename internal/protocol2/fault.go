package protocol2

import (
	"time"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// Fault returns the error object for an error, which must not be nil (clause 2.6). The caller may
// set more of its members.
func Fault(err error) wire.V2Fault {
	f := fault.Of(err)
	return wire.V2Fault{
		Code:         f.Code,
		Message:      fault.Message(err),
		Retry:        string(f.Retry),
		Docs:         f.Docs(),
		RetryAfterMS: int64((fault.Wait(err) + time.Millisecond - 1) / time.Millisecond),
	}
}
