// Package peer finds the address of a client that connects through a proxy, from the header
// X-Forwarded-For or from the PROXY protocol. It believes both only from proxies that the operator
// trusts, because any other client could claim any address.
//
// The package does not read the header Forwarded (RFC 7239). No proxy sends it by default, and a
// proxy that forwards it unread would let clients choose their own address.
package peer
