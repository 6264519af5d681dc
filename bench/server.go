package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	startPatience = 20 * time.Second
	stopPatience  = 3 * time.Second
	pollInterval  = 20 * time.Millisecond
	outputKept    = 2000 // bytes of a failed process's output

	everyCPU = -1
)

// A workshop builds and runs the programs.
type workshop struct {
	options options
	dir     string // contains the programs; removed at the end
	log     io.Writer
	load    string // the load generator

	made int // number of servers' directories so far
}

// An entrant is a contender with its program, or the reason why it does not take part.
type entrant struct {
	contender
	program string
	missing string
}

func (w *workshop) build(ctx context.Context, all []contender) ([]entrant, error) {
	w.logf("building the load generator")
	w.load = filepath.Join(w.dir, "load")
	sources, err := filepath.Glob("load/*.c")
	if err != nil || len(sources) == 0 {
		return nil, errors.New("load/*.c is not here; run this in the directory bench/")
	}
	if err := compile(ctx, w.load, slices.Concat(sources, zlibFlags(ctx))...); err != nil {
		return nil, err
	}
	var entrants []entrant
	for _, c := range all {
		w.logf("building %s", c.name)
		program, err := c.build(ctx, w)
		missing, isMissing := errors.AsType[errMissing](err)
		if err != nil && !isMissing {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		entrants = append(entrants, entrant{contender: c, program: program, missing: missing.hint})
	}
	return entrants, nil
}

func (w *workshop) logf(format string, args ...any) {
	fmt.Fprintf(w.log, "bench: "+format+"\n", args...)
}

// A server is a running contender.
type server struct {
	ports  ports
	tokens string // a file, or ""
	dir    string
	args   []string // that started it
	cpu    int      // the core that it may use
	*process
}

// start starts a contender with an empty directory and the settings of the plan. It waits until
// the contender accepts connections.
func (w *workshop) start(ctx context.Context, e entrant, p plan) (*server, error) {
	w.made++
	s := &server{dir: filepath.Join(w.dir, e.name+"-"+strconv.Itoa(w.made))}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	if s.ports, err = portsFor(e.contender); err != nil {
		return nil, err
	}
	s.cpu = w.cpuFor(p)
	if e.nodes > 0 {
		var commands [][]string
		commands, err = e.nodeCommands(e.program, s.dir, s.ports, slices.Concat(e.settings, p.settings))
		s.args = inShell(commands)
	} else {
		s.args, err = e.command(e.program, s.dir, s.ports)
		s.args = append(s.args, p.settings...)
	}
	if err != nil {
		return nil, err
	}
	if err := w.startServer(ctx, s); err != nil {
		return nil, fmt.Errorf("start %s: %w", e.name, err)
	}
	if e.admit != nil {
		if s.tokens, err = e.admit(ctx, w, s.ports, s.dir); err != nil {
			s.stop()
			return nil, err
		}
	}
	return s, nil
}

// cpuFor returns the core of the plan's servers.
func (w *workshop) cpuFor(p plan) int {
	if p.anyCPU {
		return everyCPU
	}
	return w.options.serverCPU
}

// loadCPUFor returns the core of the plan's load generator.
func (w *workshop) loadCPUFor(p plan) int {
	if p.anyCPU {
		return everyCPU
	}
	return w.options.loadCPU
}

// portsFor finds free ports for a contender.
func portsFor(c contender) (ports, error) {
	const each = 3
	free, err := freePorts(each * max(c.nodes, 1))
	if err != nil {
		return ports{}, err
	}
	p := ports{ws: free[0], api: free[1]}
	if c.admit == nil { // only Boreas has two listeners
		p.api = p.ws
	}
	for i := range c.nodes {
		n := node{free[each*i], free[each*i+1], free[each*i+2]}
		if c.admit == nil {
			n.api = n.ws
		}
		p.nodes = append(p.nodes, n)
	}
	return p, nil
}

// startServer starts a server's process, and waits until it accepts connections.
func (w *workshop) startServer(ctx context.Context, s *server) error {
	started, err := startProcess(ctx, s.cpu, s.dir, s.args, nil, nil)
	if err != nil {
		return err
	}
	s.process = started
	if err := s.awaitListening(ctx); err != nil {
		s.stop()
		return err
	}
	return nil
}

func (s *server) awaitListening(ctx context.Context) error {
	deadline := time.Now().Add(startPatience)
	for _, port := range []int{s.ports.ws, s.ports.api} {
		for {
			conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
			if err == nil {
				conn.Close()
				break
			}
			select {
			case <-s.ended:
				return fmt.Errorf("it ended at once: %s", s.lastWords())
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(pollInterval):
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("it does not listen on port %d after %s: %s", port, startPatience, s.lastWords())
			}
		}
	}
	return nil
}

// freePorts returns ports that are free at the moment.
func freePorts(n int) ([]int, error) {
	var found []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // keep it open until all are found, so that they differ
		found = append(found, l.Addr().(*net.TCPAddr).Port)
	}
	return found, nil
}

// A process is a child process on its own core. Stopping it stops its whole process group.
type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	err     error         // from Wait; valid when ended is closed
	output  *lastBytes
}

// startProcess starts a program on a core. Its standard output goes to out; if out is nil, its end
// is kept for lastWords. The end of its standard error is always kept.
//
// If the core is everyCPU, the program may use all.
func startProcess(ctx context.Context, cpu int, dir string, args []string, in io.Reader, out io.Writer) (*process, error) {
	if pinned() && cpu != everyCPU {
		args = append([]string{"taskset", "-c", strconv.Itoa(cpu)}, args...)
	}
	p := &process{
		command: exec.CommandContext(ctx, args[0], args[1:]...),
		ended:   make(chan struct{}),
		output:  &lastBytes{},
	}
	p.command.Dir = dir
	p.command.Stdin, p.command.Stdout, p.command.Stderr = in, p.output, p.output
	if out != nil {
		p.command.Stdout = out
	}
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.command.Cancel = func() error { return syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) }
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

// stop stops the process with its children and waits for the end.
func (p *process) stop() {
	group := -p.command.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM) // an error means that it has ended already
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.ended
}

func (p *process) lastWords() string {
	if text := p.output.String(); text != "" {
		return text
	}
	return "it said nothing"
}

// lastBytes is a writer that keeps the last bytes. It is safe for concurrent use.
type lastBytes struct {
	mu   sync.Mutex
	kept []byte
}

func (l *lastBytes) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, p...)
	if extra := len(l.kept) - outputKept; extra > 0 {
		l.kept = append(l.kept[:0], l.kept[extra:]...)
	}
	return len(p), nil
}

func (l *lastBytes) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.TrimSpace(l.kept))
}
