//go:build unix

package main

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// refuseRoot returns an error if root is about to write to a directory of another user. The server of
// that user could not read the new files, and would not start.
func refuseRoot(dir string, info fs.FileInfo) error {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || s.Uid == 0 {
		return nil
	}
	id := strconv.FormatUint(uint64(s.Uid), 10)
	name := "#" + id
	if owner, err := user.LookupId(id); err == nil {
		name = owner.Username
	}
	return usagef("--data-dir=%s: it belongs to the user %s, whose server could not read the files of root: "+
		"run this as that user, such as with sudo -u '%s'", dir, name, name)
}
