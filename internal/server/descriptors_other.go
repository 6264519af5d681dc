//go:build !unix

package server

// descriptorLimit: this system has no limit that a process could ask for.
func descriptorLimit() (limit int, limited bool) { return 0, false }
