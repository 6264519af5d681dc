// Package netpoll makes Go's scheduler poll the network while goroutines are ready to run.
//
// The scheduler polls the network only if no goroutine is ready to run, or every 10 milliseconds.
// While all processors sweep, the requests of publishers would wait for the end of the sweep.
// runtime.Gosched does not help, because a goroutine that yields stays ready.
//
// So a sweeper waits for a byte in a pipe that it has written itself: only polling wakes it, and
// the same poll finds the requests of publishers. The cost is two short system calls.
package netpoll
