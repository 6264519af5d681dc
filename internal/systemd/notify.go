package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// States that a service tells its manager with [Notifier.Send].
const (
	Ready     = "READY=1"     // the start or the reload has ended
	Reloading = "RELOADING=1" // together with Monotonic
	Stopping  = "STOPPING=1"
	Alive     = "WATCHDOG=1"
)

// maxStatus is the maximum size in bytes of a status. A datagram must fit into the manager's buffer.
const maxStatus = 1 << 10

// Status returns the state that describes the service to people in one line.
func Status(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if len(text) > maxStatus {
		text = strings.ToValidUTF8(text[:maxStatus], "")
	}
	return "STATUS=" + text
}

// Extend returns the state that gives the service more time for its start, its reload or its end, from
// now on.
func Extend(d time.Duration) string {
	return "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10)
}

// sendTimeout is how long one message may wait for a manager that does not read.
const sendTimeout = time.Second

// A Notifier sends the state of the service to its manager. It is safe for concurrent use. A nil
// Notifier sends nothing.
type Notifier struct {
	address  *net.UnixAddr
	watchdog time.Duration
}

// NewNotifier returns the Notifier for an environment. It returns nil if nobody wants to be notified.
func NewNotifier(env []string) (*Notifier, error) {
	name := getenv(env, "NOTIFY_SOCKET")
	switch {
	case name == "":
		return nil, nil
	case !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") || len(name) < 2:
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q, and this program knows only sockets with a path or an abstract name, such as /run/systemd/notify or @name", name)
	}
	// Go takes a name that begins with @ for an abstract one.
	n := &Notifier{address: &net.UnixAddr{Name: name, Net: "unixgram"}}
	text := getenv(env, "WATCHDOG_USEC")
	if pid := getenv(env, "WATCHDOG_PID"); text == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	usec, err := strconv.ParseInt(text, 10, 53)
	if err != nil || usec <= 0 {
		return n, fmt.Errorf("WATCHDOG_USEC is %q, and it must be a number of microseconds; the watchdog gets no signs of life", text)
	}
	n.watchdog = time.Duration(usec) * time.Microsecond
	return n, nil
}

// Watchdog returns the time after which the manager kills a service that has not sent [Alive]. 0 means
// that it does not wait for that.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Send sends states in one message. It waits at most for a second.
func (n *Notifier) Send(states ...string) error {
	if n == nil {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, n.address)
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := c.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}
