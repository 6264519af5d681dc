// Package cluster tests several whole servers that share a NATS server, from outside. Clients, backends and
// operators use any of the nodes, and a node ends or is cut off. The package has only tests.
package cluster
