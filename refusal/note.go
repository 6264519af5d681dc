package refusal

import (
	"net/netip"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// Note records a refusal because of the error, to a client with the address and the grant; both
// may be unknown. An error that does not refuse anything is not recorded. The caller sets the
// other fields of e that it knows.
func (l *Log) Note(err error, e Entry, address netip.Addr, g *access.Grant) {
	f := fault.Of(err)
	if l == nil || f == nil || !f.Refuses() {
		return
	}
	e.Code, e.Message = f.Code, fault.Message(err)
	if address.IsValid() {
		e.Address = address.String()
	}
	if g != nil {
		e.TokenID, e.User = g.TokenID, g.User
	}
	l.Add(e)
}
