//go:build !noembed

package embed

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// child has the options of a server, if this process is one that a test has started.
var child = flag.String("child", "", "options of a server to run, as JSON")

// childOptions are the options that a child gets.
type childOptions struct {
	Dir, Node, Secret string
	Peers             []Peer
}

// runChild runs a server until the end of the standard input, and returns an exit code. It prints the
// server's address with its password for clients.
func runChild() int {
	var c childOptions
	if err := json.Unmarshal([]byte(*child), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	s, err := Start(context.Background(), Options{
		Dir: c.Dir, Node: c.Node, Secret: c.Secret, Peers: c.Peers, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	user, password := s.Credentials()
	fmt.Printf("nats://%s:%s@%s\n", user, password, s.nats.Addr())
	io.Copy(io.Discard, os.Stdin)
	if err := s.Shutdown(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a server in a process of its own.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   chan string // the address for clients, once
}

func startProcess(t *testing.T, o Options) *process {
	t.Helper()
	text, err := json.Marshal(childOptions{o.Dir, o.Node, o.Secret, o.Peers})
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0], "-child", string(text)), url: make(chan string, 1)}
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		p.url <- strings.TrimSpace(line)
	}()
	return p
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// stop ends the server in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestKilledProcess kills one of three processes while the others publish, and starts it again.
func TestKilledProcess(t *testing.T) {
	all := nodes(t, "n1", "n2", "n3")
	processes := make([]*process, len(all))
	for i, o := range all {
		processes[i] = startProcess(t, o)
		t.Cleanup(func() { processes[i].kill() })
	}
	conns := make([]*nats.Conn, len(all))
	for i, p := range processes {
		nc, err := nats.Connect(<-p.url, nats.ReconnectBufSize(-1), nats.MaxReconnects(-1))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		conns[i] = nc
	}
	stream := makeStream(t, conns[0])
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leader := int(info.Cluster.Leader[1] - '1')
	l := &load{stop: make(chan struct{})}
	for i, nc := range conns {
		if i != leader {
			l.publish(t, nc, all[i].Node)
		}
	}
	await(t, "publishes", func() bool { return l.acked.Load() > 50 })
	processes[leader].kill()
	before := l.acked.Load()
	await(t, "publishes without the leader", func() bool { return l.acked.Load() > before+50 })
	processes[leader] = startProcess(t, all[leader])
	<-processes[leader].url
	before = l.acked.Load()
	await(t, "publishes with all", func() bool { return l.acked.Load() > before+50 })
	l.end()
	if n := l.failed.Load(); n > 0 {
		t.Errorf("%d publishes failed", n)
	}
	survivor := conns[(leader+1)%len(conns)]
	if got := count(t, makeStream(t, survivor)); got != l.acked.Load() {
		t.Errorf("the stream has %d messages, and %d were acknowledged", got, l.acked.Load())
	}
	t.Logf("%d acknowledged, the longest publish took %.1f s", l.acked.Load(), float64(l.longest.Load())/1e9)
	for _, nc := range conns {
		nc.Close()
	}
	for _, p := range processes {
		p.stop(t)
	}
}
