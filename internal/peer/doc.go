// Package peer finds out who a client really is when it comes through a proxy: by the
// header X-Forwarded-For, or by the PROXY protocol. Both are believed of those only
// that the operator trusts. Whoever else could say anything.
//
// The header Forwarded (RFC 7239) is not read: no proxy sends it by default, and one
// that passes it on unread would let clients say who they are.
package peer
