// Package access proves docs/security.md on the whole server, from outside. It has
// tests only:
//
//   - the matrix: every verb, over every transport, by every kind of token and key, in every
//     state that one can be in, against a table written from the documents;
//   - revocation while clients connect, join, publish and come back: nothing that is
//     published after the call has returned reaches whom it is about;
//   - secrets: after a run in which all goes wrong that can, no log, metric, error text,
//     page or file has one, but for the few places that are named.
//
// REVOCATION_ROUNDS is how many rounds of revocations there are: for a soak.
package access
