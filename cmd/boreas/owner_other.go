//go:build !unix

package main

import "io/fs"

// refuseRoot returns nil, because this system has no root.
func refuseRoot(string, fs.FileInfo) error { return nil }
