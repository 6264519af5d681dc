//go:build !unix

package server

// descriptorLimit returns false, because this system has no such limit.
func descriptorLimit() (limit int, limited bool) { return 0, false }
