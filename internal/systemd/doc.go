// Package systemd speaks with the service manager of Linux: it tells the manager the state of this
// process, takes over the sockets that the manager has opened, and recognizes the journal.
//
// Other programs offer the same interfaces, so nothing here depends on systemd itself. The environment
// is given, because only the server may use these variables: see [Variables].
package systemd

import "strings"

// Variables are the environment variables of the interfaces. A process that uses them must remove
// them from its environment, so that its children do not take themselves for the service.
var Variables = []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}

// getenv returns the value of a variable in an environment in the form of os.Environ. The last value
// counts.
func getenv(env []string, name string) (value string) {
	for _, entry := range env {
		if text, ok := strings.CutPrefix(entry, name+"="); ok {
			value = text
		}
	}
	return value
}
