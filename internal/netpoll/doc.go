// Package netpoll makes Go's scheduler poll the network while goroutines are ready to run.
//
// The scheduler polls the network only if no goroutine is ready to run, or every 10 milliseconds.
// So while sweeps keep all processors busy, the requests of publishers would wait for the end of a
// sweep. runtime.Gosched does not help, because a goroutine that yields stays ready.
//
// Therefore a sweeper writes a byte to a pipe and waits until it can read it. Only a poll wakes the
// sweeper, and the same poll finds the requests of publishers. The cost is two short system calls.
package netpoll
