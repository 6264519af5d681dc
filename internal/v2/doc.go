// Package v2 puts what the hub says into the words of protocol 2, and its requests into
// what the hub understands: what all transports of that protocol have in common.
package v2
