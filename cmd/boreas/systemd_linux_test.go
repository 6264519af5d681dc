package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeManager is a service manager. It hears what services tell.
type fakeManager struct {
	*net.UnixConn
	t *testing.T
}

func newManager(t *testing.T, name string) fakeManager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return fakeManager{c, t}
}

// until returns what the manager hears up to a message with the text. It leaves out what comes at times
// that the test does not know.
func (m fakeManager) until(text string) (heard []string) {
	m.t.Helper()
	buffer := make([]byte, 1<<12)
	for {
		n, err := m.Read(buffer)
		if err != nil {
			m.t.Fatalf("%v, waiting for %s after %q", err, text, heard)
		}
		message := string(buffer[:n])
		again := len(heard) > 0 && heard[len(heard)-1] == message // a slow start asks for time again
		if (message != "WATCHDOG=1" || text == message) && !again {
			heard = append(heard, message)
		}
		if strings.Contains(message, text) {
			return heard
		}
	}
}

// TestNotifications: the manager hears the whole life of a real server. The socket and the watchdog are
// for the server only, and not for its token provider.
func TestNotifications(t *testing.T) {
	for name, socket := range map[string]string{
		"path": filepath.Join(t.TempDir(), "notify"), "abstract": fmt.Sprintf("@boreas-notifications-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, socket)
			p := newProcess(t, "--api-port=0", "--ws-port=0", "--drain-time=0", "--token-provider=exec:env > environment; echo []")
			p.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000", "LISTEN_PID=1", "LISTEN_FDS=0")
			if _, err := startServer(p.cmd); err != nil {
				t.Fatal(err)
			}
			want := []string{"STATUS=starting\nEXTEND_TIMEOUT_USEC=30000000", "READY=1\nSTATUS=ready; sessions: 0"}
			if diff := cmp.Diff(want, m.until("READY=1")); diff != "" {
				t.Errorf("start (-want +got):\n%s", diff)
			}
			m.until("WATCHDOG=1")
			m.until("WATCHDOG=1")
			p.signal(syscall.SIGTERM)
			want = []string{"STOPPING=1\nSTATUS=stopping: terminated\nEXTEND_TIMEOUT_USEC=30000000"}
			if diff := cmp.Diff(want, m.until("STOPPING=1")); diff != "" {
				t.Errorf("end (-want +got):\n%s", diff)
			}
			if code, said := p.exit(); code != exitOK {
				t.Errorf("exit code %d\n%s", code, said)
			}
			text, err := os.ReadFile(filepath.Join(p.cmd.Dir, "environment"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "LISTEN_"} {
				if strings.Contains("\n"+string(text), "\n"+name) {
					t.Errorf("the token provider gets %s…", name)
				}
			}
		})
	}
}

// listener returns a socket as a service manager opens it, and its address.
func listener(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr().String()
}

// withSockets makes p start as a service manager does with sockets: LISTEN_PID is the process itself.
func withSockets(p *process, names string, sockets ...*os.File) {
	script := fmt.Sprintf("export LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s; exec boreas \"$@\"", len(sockets), names)
	p.cmd.Args = append([]string{"sh", "-c", script, "sh"}, p.cmd.Args[1:]...)
	p.cmd.Path, p.cmd.Err = "/bin/sh", nil
	p.cmd.ExtraFiles = sockets
}

// TestRestartKeepsThePort: connections that are made while no server runs wait for the next one.
func TestRestartKeepsThePort(t *testing.T) {
	api, apiAddress := listener(t)
	ws, wsAddress := listener(t)
	begin := func() *process {
		p := newProcess(t, "--drain-time=0", "--api-port=1", "--ws-port=2")
		withSockets(p, "ws:api", ws, api)
		s, err := startServer(p.cmd)
		if err != nil {
			t.Fatal(err)
		}
		port := func(address string) string { _, port, _ := net.SplitHostPort(address); return port }
		if port(s.api) != port(apiAddress) || port(s.ws) != port(wsAddress) {
			t.Fatalf("the server listens on %s and %s, want %s and %s", s.api, s.ws, apiAddress, wsAddress)
		}
		p.waitFor(`sockets="both from the service manager"`)
		return p
	}
	get := func(c net.Conn) {
		t.Helper()
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", resp, err)
		}
		resp.Body.Close()
	}
	dial := func(address string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}

	first := begin()
	get(dial(apiAddress))
	get(dial(wsAddress))
	first.signal(syscall.SIGTERM)
	if code, said := first.exit(); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	waiting := []net.Conn{dial(apiAddress), dial(wsAddress), dial(wsAddress)} // nobody accepts them now
	begin()
	for _, c := range waiting {
		get(c)
	}
}

// TestWrongSockets: the server does not start with sockets that it cannot use.
func TestWrongSockets(t *testing.T) {
	socket, _ := listener(t)
	p := newProcess(t, "--api-port=0", "--ws-port=0")
	withSockets(p, "web", socket)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	code, said := p.exit()
	want := "boreas: the service manager has passed socket 1 of 1, which this program cannot use: its name is \"web\": give its .socket unit FileDescriptorName=api or FileDescriptorName=ws\n"
	if code != exitUsage || said != want {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// TestJournalLines: lines for the journal begin with their severity and have no time.
func TestJournalLines(t *testing.T) {
	p := newProcess(t, "--api-port=0", "--ws-port=0", "--drain-time=0")
	stderr := filepath.Join(t.TempDir(), "stderr")
	f, err := os.Create(stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	id := info.Sys().(*syscall.Stat_t)
	p.cmd.Stderr = f
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("JOURNAL_STREAM=%d:%d", id.Dev, id.Ino))
	if _, err := startServer(p.cmd); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	p.cmd.Wait()
	text, err := os.ReadFile(stderr)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "<6>level=INFO msg=") {
			t.Errorf("the journal gets %s", line)
		}
	}
	if !strings.Contains(string(text), "msg=stopped\n") {
		t.Errorf("the log is not complete:\n%s", text)
	}
}

// TestFirstProcess runs the server as the process with the number 1, as in a container. The system gives
// this process no default action for signals.
func TestFirstProcess(t *testing.T) {
	p := newProcess(t, "--api-port=0", "--ws-port=0", "--drain-time=0", "--token-provider=exec:echo $PPID > parent; echo []")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Getuid() != 0 {
		p.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		p.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
	}
	_, err := startServer(p.cmd)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("this system does not allow new namespaces: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if parent, err := os.ReadFile(filepath.Join(p.cmd.Dir, "parent")); err != nil || string(parent) != "1\n" {
		t.Errorf("the server is the process %q, %v", parent, err)
	}
	p.signal(syscall.SIGHUP)
	p.waitFor("the configuration has been reloaded")
	p.signal(syscall.SIGTERM)
	if code, said := p.exit(); code != exitOK || !strings.HasSuffix(said, " msg=stopped\n") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
