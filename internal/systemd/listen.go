package systemd

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

const (
	// firstSocket is the descriptor of the first socket that the manager passes.
	firstSocket = 3

	// maxSockets bounds the number of sockets.
	maxSockets = 64
)

// Listeners takes over the sockets that the manager has opened for this process. The result has a
// listener for each name that the manager has given. Each name must be one of the given names.
func Listeners(env, names []string) (map[string]net.Listener, error) {
	return listeners(env, names, firstSocket)
}

func listeners(env, names []string, first int) (map[string]net.Listener, error) {
	if getenv(env, "LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil // there are none, or they are for a parent of this process
	}
	text := getenv(env, "LISTEN_FDS")
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("LISTEN_FDS is %q, and it must be a number from 0 to %d", text, maxSockets)
	}
	given := strings.Split(getenv(env, "LISTEN_FDNAMES"), ":")
	all := make(map[string]net.Listener)
	for i := range n {
		name := ""
		if i < len(given) {
			name = given[i]
		}
		// Taking the descriptor over also keeps it from children of this process.
		l, err := take(first+i, name)
		switch {
		case err != nil:
		case !slices.Contains(names, name):
			err = fmt.Errorf("its name is %q: give its .socket unit FileDescriptorName=%s", name, strings.Join(names, " or FileDescriptorName="))
		case all[name] != nil:
			err = fmt.Errorf("another socket also has the name %q: give its .socket unit one ListenStream only, or another FileDescriptorName", name)
		}
		if err != nil {
			if l != nil {
				l.Close()
			}
			for _, l := range all {
				l.Close()
			}
			return nil, fmt.Errorf("the service manager has passed socket %d of %d, which this program cannot use: %w", i+1, n, err)
		}
		all[name] = l
	}
	return all, nil
}

// take makes a listener of a descriptor, and closes the descriptor.
func take(descriptor int, name string) (net.Listener, error) {
	f := os.NewFile(uintptr(descriptor), "socket "+strconv.Itoa(descriptor))
	if f == nil {
		return nil, fmt.Errorf("descriptor %d is not open", descriptor)
	}
	defer f.Close()
	const want = "this program needs a TCP socket that listens, such as ListenStream=8002"
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("%q is not a socket that listens: %w: %s", name, err, want)
	}
	if _, ok := l.(*net.TCPListener); !ok {
		l.Close()
		return nil, fmt.Errorf("%q listens on %s (%s): %s", name, l.Addr(), l.Addr().Network(), want)
	}
	return l, nil
}
