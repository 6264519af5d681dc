// Package auth knows who may do what: an [Authority] checks the tokens of subscribers and
// the keys of backends, and takes them back.
//
// A token comes from one of four places, asked in this order:
//
//	the store      tokens made here ([Authority.CreateToken], [Authority.Mint]) or loaded
//	               at the start ([Load], [Authority.Add]); looked up by their SHA-256
//	JWT            signed by who has one of the keys that the operator has named
//	Backend        anything else: the operator's backend is asked, and its answer cached
//
// Whatever it is, it becomes a [access.Grant]. What was revoked is looked at last, for all
// of them alike.
//
// # What is kept
//
// With a directory, tokens, keys and revocations outlive a restart: in a journal of lines
// of JSON, of which each is on disk before its change counts. Only hashes are kept of
// tokens and keys. Memory and disk are bounded; what is beyond is refused.
//
// # Revocation
//
// [Authority.Revoke] stores a revocation, and returns what tells the grants that it is
// about: for [boreas.Hub.RevokeSessions], which comes after. [Authority.Valid] is what the hub asks
// of who is just coming in. In this order nobody slips through.
package auth
