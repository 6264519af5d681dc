package natstest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// processEnv has the options of a server that is a process of its own; see RunProcess.
const processEnv = "NATSTEST_PROCESS"

// processOptions are what a server that is a process of its own must know.
type processOptions struct {
	Name, Dir  string
	Port       int // for clients
	Route      int // for other servers
	Routes     string
	StopsAfter time.Duration // a process that was forgotten ends
}

// processLife bounds the life of a server whose test has died.
const processLife = 10 * time.Minute

// RunProcess is called first in TestMain of a package that uses [StartProcesses]: it becomes a server
// if this process was started as one, and does not return then.
func RunProcess() {
	text := os.Getenv(processEnv)
	if text == "" {
		return
	}
	var p processOptions
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		panic(err)
	}
	s, err := server.NewServer(&server.Options{
		ServerName: p.Name, Host: "127.0.0.1", Port: p.Port, JetStream: true, StoreDir: p.Dir, NoSigs: true, NoLog: true,
		JetStreamMaxStore: 16 << 30, JetStreamMaxMemory: 1 << 26, Routes: server.RoutesFromStr(p.Routes),
		Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: p.Route, PoolSize: -1},
	})
	if err != nil {
		panic(err)
	}
	s.Start()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	select {
	case <-stop:
	case <-time.After(p.StopsAfter):
	}
	Stop(s)
	os.Exit(0)
}

// A Process is a server that is a process of its own. It can be killed.
type Process struct {
	URL  string
	Name string

	options processOptions
	command *exec.Cmd
}

// StartProcesses starts servers that form a cluster, each as a process of its own, waits until they
// have elected a leader, and kills them at the end of the test. The first ones keep their messages in the
// given directories.
func StartProcesses(t testing.TB, n int, dirs ...string) []*Process {
	t.Helper()
	var all []*Process
	var routes []string
	ports := holdPorts(t, 2*n)
	for i := range n {
		o := processOptions{Name: fmt.Sprintf("s%d", i+1), Dir: t.TempDir(), Port: ports[i], Route: ports[n+i], StopsAfter: processLife}
		if i < len(dirs) {
			o.Dir = dirs[i]
		}
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", o.Route))
		all = append(all, &Process{URL: fmt.Sprintf("nats://127.0.0.1:%d", o.Port), Name: o.Name, options: o})
	}
	for _, p := range all {
		p.options.Routes = strings.Join(routes, ",")
		p.Start(t)
		t.Cleanup(func() { p.Signal(t, syscall.SIGKILL) })
	}
	deadline := time.Now().Add(readyTimeout)
	for {
		if nc, err := nats.Connect(all[0].URL); err == nil {
			js, err := nc.JetStream()
			if err == nil {
				_, err = js.AccountInfo(nats.MaxWait(time.Second))
			}
			nc.Close()
			if err == nil {
				return all
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the NATS servers elect no leader")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Start starts the server again after it has ended.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	text, err := json.Marshal(p.options)
	if err != nil {
		t.Fatal(err)
	}
	p.command = exec.Command(os.Args[0])
	p.command.Env = append(os.Environ(), processEnv+"="+string(text))
	p.command.Stderr = os.Stderr
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
}

// Signal sends a signal to the server. If the signal ends it, Signal waits for that.
func (p *Process) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if p.command.ProcessState != nil {
		return
	}
	if err := p.command.Process.Signal(s); err != nil {
		t.Error(err)
	}
	if s == syscall.SIGKILL || s == syscall.SIGTERM {
		p.command.Wait() //nolint:errcheck // it was killed
	}
}
