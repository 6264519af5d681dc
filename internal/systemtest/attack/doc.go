// Package attack tests the whole server from outside, with the attacks that docs/security.md
// describes. It contains only tests.
//
// The server runs as in production: with keys, tokens of every kind, a backend that checks
// tokens, rules, and limits for all addresses. All of 127.0.0.0/8 is this machine, so attackers
// and bystanders have addresses of their own. The bystanders are a subscriber on each transport
// and a publisher, which run all the time. An attack is a row of a table with its required
// outcome. After it, the bystanders must have received every message once and in order, and the
// numbers of goroutines, sockets and sessions and the memory must be the same as before.
//
// Each group of attacks is a table in a file of its own. -v prints all attacks with their outcomes,
// and -args -table=FILE writes them to a file.
package attack
