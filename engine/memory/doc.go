// Package memory is the engine that keeps publications in the memory of this process. It loses them
// when the process ends.
package memory
