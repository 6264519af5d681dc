// Package faultproxy is a TCP proxy that makes connections fail as networks do: it cuts, resets,
// stalls, slows and delays them, and leaves them half open.
package faultproxy
