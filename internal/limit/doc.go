// Package limit bounds what one client may do in a second: one address, one user, one
// API key. What exceeds is refused with [fault.RateLimited], which names the option and
// says how long to wait; nothing is delayed here, and nothing dropped.
//
// A connection asks [Limits.Address], [Limits.User] or [Limits.Key] once and keeps the
// [Client]; connections of the same one share it. A nil Client has no bounds, and asking
// it costs a comparison. So has a nil *Limits. Asking one with bounds costs an atomic
// operation or two, and allocates nothing unless it refuses.
//
// IPv6 addresses count by their /64, which is what one subscriber of a provider gets.
//
// Each of the three tables remembers [maxClients] clients. When one is full, the client
// that is nearest to a full bucket, of a few that are looked at, makes room for a new
// one. One whose bucket is full loses nothing by that. If all are busy, one starts
// anew with a full bucket, before its time. That is the lesser evil: who can keep so many
// busy has more addresses than that and needs no such gift, and sharing a bucket among
// newcomers would let him lock out everybody who is new. Nobody is ever without a bound.
// A connection that holds a forgotten Client is not either: it counts with the new one.
//
// There are no goroutines and no timers.
package limit
