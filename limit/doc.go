// Package limit enforces limits per second for one client. A client is an address, a user or an
// API key. A request over a limit is refused with [fault.RateLimited], which names the option and
// says how long to wait. The package never delays a request and never drops one silently.
//
// A connection calls [Limits.Address], [Limits.User] or [Limits.Key] once and keeps the [Client].
// Connections of the same address, user or key share one Client. A nil Client and a nil *Limits
// have no limits, and a call costs one comparison. A call with limits costs one or two atomic
// operations, and allocates only if it refuses.
//
// All IPv6 addresses of a /64 count as one, because a provider gives a customer at least a /64.
//
// Each of the three tables remembers up to [maxClients] clients. When a table is full, it forgets an
// old client for each new one: of a few candidates, the client whose bucket is nearest to full. If
// that bucket is full, forgetting it changes nothing. If all clients are busy, a forgotten client
// gets a full bucket too early when it comes back. This helps no attacker: an attacker that can keep
// so many clients busy has more addresses than the table has entries. The alternative, one bucket
// that all new clients share, would let such an attacker lock out every new client. A client is
// never without limits: a connection that holds a forgotten Client counts with the newer Client of
// the same address, user or key.
//
// The package starts no goroutines and no timers.
package limit
