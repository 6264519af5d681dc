// Package access tests the rules of docs/security.md on the whole server, from outside. It
// contains only tests:
//
//   - the matrix: every verb, over every transport, with every kind of token and key, in every
//     state, against a table written from the documents;
//   - revocation while clients connect, join, publish and reconnect: a message published after the
//     call has returned reaches no client that lost access;
//   - secrets: after a run with every kind of error, no log, metric, error text, page or file
//     contains a secret, except in the few listed places.
//
// REVOCATION_ROUNDS is the number of rounds of revocations, for a soak test.
package access
