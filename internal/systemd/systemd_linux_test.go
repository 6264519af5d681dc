package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNotify(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@boreas-test-%d", os.Getpid())} {
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer manager.Close()
		n, err := NewNotifier([]string{"NOTIFY_SOCKET=@old", "NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=1500000", "WATCHDOG_PID=" + strconv.Itoa(os.Getpid())})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Send(Ready, Status("two\nlines"), Extend(3*time.Second)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 1<<12)
		size, err := manager.Read(got)
		if want := "READY=1\nSTATUS=two lines\nEXTEND_TIMEOUT_USEC=3000000"; err != nil || string(got[:size]) != want {
			t.Errorf("%s: got %q, %v; want %q", name, got[:size], err, want)
		}
		if n.Watchdog() != 1500*time.Millisecond {
			t.Errorf("the watchdog is %v", n.Watchdog())
		}
	}
}

func TestNewNotifier(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		want string
	}{
		"nobody":               {[]string{"WATCHDOG_USEC=1"}, "nil, 0s"},
		"no watchdog":          {[]string{"NOTIFY_SOCKET=/n"}, "/n, 0s"},
		"watchdog of another":  {[]string{"NOTIFY_SOCKET=/n", "WATCHDOG_USEC=1000000", "WATCHDOG_PID=1"}, "/n, 0s"},
		"watchdog of anybody":  {[]string{"NOTIFY_SOCKET=/n", "WATCHDOG_USEC=1000000"}, "/n, 1s"},
		"watchdog of no time":  {[]string{"NOTIFY_SOCKET=/n", "WATCHDOG_USEC=0"}, "/n, 0s, WATCHDOG_USEC is \"0\", and it must be a number of microseconds; the watchdog gets no signs of life"},
		"a socket of machines": {[]string{"NOTIFY_SOCKET=vsock:2:1"}, "nil, 0s, NOTIFY_SOCKET is \"vsock:2:1\", and this program knows only sockets with a path or an abstract name, such as /run/systemd/notify or @name"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := NewNotifier(test.env)
			got := "nil"
			if n != nil {
				got = n.address.Name
			}
			got += ", " + n.Watchdog().String()
			if err != nil {
				got += ", " + err.Error()
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	if err := (*Notifier)(nil).Send(Ready); err != nil {
		t.Error(err)
	}
	n, err := NewNotifier([]string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "nobody")})
	if err != nil || n.Send(Ready) == nil {
		t.Errorf("a manager that does not exist was told (%v)", err)
	}
}

func TestMonotonic(t *testing.T) {
	usec, err := strconv.ParseInt(strings.TrimPrefix(Monotonic(), "MONOTONIC_USEC="), 10, 64)
	if err != nil || usec <= 0 {
		t.Errorf("%d, %v", usec, err)
	}
}

// descriptors returns consecutive descriptors, which [listeners] closes.
func descriptors(t *testing.T, files ...*os.File) int {
	t.Helper()
	const first = 200 // far from those that the test itself opens
	for i, f := range files {
		if err := syscall.Dup3(int(f.Fd()), first+i, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return first
}

func tcp(t *testing.T) *os.File {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestListeners(t *testing.T) {
	unixSocket := func(t *testing.T) *os.File {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		defer l.Close()
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	datagrams := func(t *testing.T) *os.File {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	file := func(t *testing.T) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	own := "LISTEN_PID=" + strconv.Itoa(os.Getpid())
	const (
		prefix = "error: the service manager has passed socket "
		want   = "this program needs a TCP socket that listens, such as ListenStream=8002"
	)
	for name, test := range map[string]struct {
		env   []string
		files []func(*testing.T) *os.File
		want  string
	}{
		"none":             {nil, nil, ""},
		"of a parent":      {[]string{"LISTEN_PID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=ws"}, nil, ""},
		"both":             {[]string{own, "LISTEN_FDS=2", "LISTEN_FDNAMES=ws:api"}, []func(*testing.T) *os.File{tcp, tcp}, "api ws"},
		"one":              {[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=ws"}, []func(*testing.T) *os.File{tcp}, "ws"},
		"a wrong number":   {[]string{own, "LISTEN_FDS=x"}, nil, `error: LISTEN_FDS is "x", and it must be a number from 0 to 64`},
		"too many":         {[]string{own, "LISTEN_FDS=65"}, nil, `error: LISTEN_FDS is "65", and it must be a number from 0 to 64`},
		"without a name":   {[]string{own, "LISTEN_FDS=1"}, []func(*testing.T) *os.File{tcp}, prefix + `1 of 1, which this program cannot use: its name is "": give its .socket unit FileDescriptorName=api or FileDescriptorName=ws`},
		"a wrong name":     {[]string{own, "LISTEN_FDS=2", "LISTEN_FDNAMES=ws:boreas.socket"}, []func(*testing.T) *os.File{tcp, tcp}, prefix + `2 of 2, which this program cannot use: its name is "boreas.socket": give its .socket unit FileDescriptorName=api or FileDescriptorName=ws`},
		"the same name":    {[]string{own, "LISTEN_FDS=2", "LISTEN_FDNAMES=ws:ws"}, []func(*testing.T) *os.File{tcp, tcp}, prefix + `2 of 2, which this program cannot use: another socket also has the name "ws": give its .socket unit one ListenStream only, or another FileDescriptorName`},
		"a local socket":   {[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=ws"}, []func(*testing.T) *os.File{unixSocket}, prefix + `1 of 1, which this program cannot use: "ws" listens on PATH (unix): ` + want},
		"datagrams":        {[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=ws"}, []func(*testing.T) *os.File{datagrams}, prefix + `1 of 1, which this program cannot use: "ws" is not a socket that listens: REASON: ` + want},
		"a file":           {[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=ws"}, []func(*testing.T) *os.File{file}, prefix + `1 of 1, which this program cannot use: "ws" is not a socket that listens: REASON: ` + want},
		"a closed one":     {[]string{own, "LISTEN_FDS=1", "LISTEN_FDNAMES=ws"}, nil, prefix + `1 of 1, which this program cannot use: "ws" is not a socket that listens: REASON: ` + want},
		"less than it has": {[]string{own, "LISTEN_FDS=0", "LISTEN_FDNAMES="}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var files []*os.File
			for _, open := range test.files {
				files = append(files, open(t))
			}
			all, err := listeners(test.env, []string{"api", "ws"}, descriptors(t, files...))
			var got []string
			for _, name := range []string{"api", "ws"} {
				if l := all[name]; l != nil {
					got = append(got, name)
					l.Close()
				}
			}
			text := strings.Join(got, " ")
			if err != nil {
				text = "error: " + err.Error()
			}
			if before, after, ok := strings.Cut(test.want, "REASON"); ok && strings.HasPrefix(text, before) && strings.HasSuffix(text, after) {
				return // the reason is the system's
			}
			if before, after, ok := strings.Cut(test.want, "PATH"); ok && strings.HasPrefix(text, before) && strings.HasSuffix(text, after) {
				return
			}
			if diff := cmp.Diff(test.want, text); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestListenersAreNotInherited: a child of the server must not keep its port open.
func TestListenersAreNotInherited(t *testing.T) {
	// The descriptor of the manager is open across exec.
	f := tcp(t)
	if err := syscall.Dup3(int(f.Fd()), 200, 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	all, err := listeners([]string{"LISTEN_PID=" + strconv.Itoa(os.Getpid()), "LISTEN_FDS=1", "LISTEN_FDNAMES=ws"}, []string{"ws"}, 200)
	if err != nil {
		t.Fatal(err)
	}
	defer all["ws"].Close()
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, 200, syscall.F_GETFD, 0); errno != syscall.EBADF {
		t.Error("the descriptor of the manager is still open")
	}
	raw, err := all["ws"].(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(descriptor uintptr) {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, descriptor, syscall.F_GETFD, 0)
		if errno != 0 || flags&syscall.FD_CLOEXEC == 0 {
			t.Errorf("the listener is open in children: flags %d, %v", flags, errno)
		}
	})
}

func TestIsJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	device, inode, ok := identity(f)
	if !ok {
		t.Fatal("a file has no identity")
	}
	for stream, want := range map[string]bool{
		"":                                    false,
		fmt.Sprintf("%d:%d", device, inode):   true,
		fmt.Sprintf("%d:%d", device, inode+1): false,
		fmt.Sprintf("%d:%d", device+1, inode): false,
		fmt.Sprintf("%d:%d:1", device, inode): false,
	} {
		if got := IsJournal([]string{"JOURNAL_STREAM=" + stream}, f); got != want {
			t.Errorf("JOURNAL_STREAM=%s: got %v", stream, got)
		}
	}
}
