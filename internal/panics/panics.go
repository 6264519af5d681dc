// Package panics prevents a panic that one client causes from ending the process.
//
// Code that runs for one client recovers, ends that client's session or request, and continues;
// see docs/decisions/0008-panics.md. A panic that passed through the hub's package ends the
// process, because a lock may be held forever, or a log may be half changed.
package panics

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// hub has the prefixes of the functions whose panics end the process: those of the hub and its
// sessions, and those of the engines.
var hub = []string{"github.com/boreas-pubsub/boreas/v2.", "github.com/boreas-pubsub/boreas/v2/engine/", "github.com/boreas-pubsub/boreas/v2/internal/channellog."}

// An Error is a panic that was recovered from.
type Error struct {
	Value any    // the value of the panic
	Stack []byte // of the goroutine
}

// Error returns the panic's value.
func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Caught returns the error for a panic. The deferred function that has recovered calls it, with the
// result of recover. If the panic may have damaged the state of the hub, Caught ends the process.
func Caught(v any) *Error {
	e := &Error{v, debug.Stack()}
	if throughHub() {
		crash(e)
	}
	return e
}

// crash ends the process as an unrecovered panic does. It is called on another goroutine,
// because package net/http recovers from panics of its handlers.
var crash = func(e *Error) {
	go panic(fmt.Sprintf("%v\n\n%s", e, e.Stack))
	select {}
}

// throughHub reports whether a function of the hub is on the stack.
func throughHub() bool {
	pcs := make([]uintptr, 64)
	n := runtime.Callers(0, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(0, pcs)
	}
	frames := runtime.CallersFrames(pcs[:n])
	for {
		f, more := frames.Next()
		if slices.ContainsFunc(hub, func(prefix string) bool { return strings.HasPrefix(f.Function, prefix) }) {
			return true
		}
		if !more {
			return false
		}
	}
}
