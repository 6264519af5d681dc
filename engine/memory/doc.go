// Package memory is the engine that keeps publications in the memory of this process. They are
// lost when the process ends.
package memory
