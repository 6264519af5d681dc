// Package smalldisk makes file systems of tests that can be full. It has them on Linux only.
package smalldisk
