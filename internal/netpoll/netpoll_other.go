//go:build !unix

package netpoll

import "runtime"

// A Point only yields on this system.
type Point struct{}

// New returns a Point.
func New() *Point { return nil }

// Poll yields.
func (*Point) Poll() { runtime.Gosched() }

// Close does nothing.
func (*Point) Close() {}
