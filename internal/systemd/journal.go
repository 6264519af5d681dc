package systemd

import (
	"fmt"
	"os"
)

// IsJournal reports whether the file is a connection to the journal, so that each line that is written
// to it gets a time and may begin with a priority.
func IsJournal(env []string, f *os.File) bool {
	stream := getenv(env, "JOURNAL_STREAM")
	if stream == "" {
		return false
	}
	device, inode, ok := identity(f)
	return ok && stream == fmt.Sprintf("%d:%d", device, inode)
}
