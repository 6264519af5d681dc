package trial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// processLimit is how long a server in a process of its own may take to start or to stop. On a
	// machine where many tests share a core, both have taken more than a minute. It is reached only if
	// something hangs.
	processLimit = 3 * time.Minute

	// dumpLimit is how long a process that does not stop may write what it waits for.
	dumpLimit = 10 * time.Second
)

// A process is this program, started again to be one of the servers of a trial. It stops when its
// standard input ends, also because the trial has ended.
type process struct {
	what    string // for errors, such as "node 1"
	command *exec.Cmd
	input   io.Closer
	ended   chan struct{}

	complaints strings.Builder // what it wrote to standard error; complete when ended is closed
}

// ServeChild runs a server of a trial, if this process was started for that. The main functions of
// programs that run trials in several processes call it first.
func ServeChild() {
	for variable, serve := range map[string]func(ctx context.Context, task string, ready func(line string)) error{
		childDir: serveChild, nodeTask: serveNode, natsTask: serveNATS,
	} {
		task := os.Getenv(variable)
		if task == "" {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			io.Copy(io.Discard, os.Stdin) //nolint:errcheck // an error is an end too
			cancel()
		}()
		if err := serve(ctx, task, func(line string) { fmt.Println(line) }); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "a server of a trial:", err)
			os.Exit(1)
		}
		syscall.Exit(0) // not os.Exit; see finish
	}
}

// logsDir is the environment variable with a directory that keeps the logs of all NATS servers and
// nodes, for a person who searches for a bug. They are not kept without it.
const logsDir = "TRIAL_LOGS"

// logFile returns the path of a log in logsDir, or "" if it is not kept. Trials at the same time have
// different files.
func logFile(name string) string {
	dir := os.Getenv(logsDir)
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, fmt.Sprintf("%d-%s.log", os.Getppid(), name))
}

// startProcess starts this program with the variable, and returns the line that it writes when it is
// ready. What names the server in errors.
func startProcess(ctx context.Context, what, variable, task string) (*process, string, error) {
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p := &process{what: what, command: exec.CommandContext(context.WithoutCancel(ctx), program), ended: make(chan struct{})}
	p.command.Env = append(os.Environ(), variable+"="+task)
	p.command.Stderr = &p.complaints
	if p.input, err = p.command.StdinPipe(); err != nil {
		return nil, "", err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := p.command.Start(); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", what, err)
	}
	stop := context.AfterFunc(ctx, func() { p.command.Process.Kill() }) //nolint:errcheck // it has ended already
	line, err := bufio.NewReader(out).ReadString('\n')
	stop()
	if err != nil {
		p.command.Wait() //nolint:errcheck // the complaints say more
		return nil, "", errors.Join(fmt.Errorf("%s did not start: %s", what, p.complaints.String()), ctx.Err())
	}
	go func() {
		defer close(p.ended)
		p.command.Wait() //nolint:errcheck // a kill is not an error here
	}()
	return p, strings.TrimSpace(line), nil
}

// finish stops the process in order. A race that the detector has found in it is an error: its exit code
// does not tell, because the process leaves out the detector's end, which sometimes hangs.
func (p *process) finish() error {
	p.input.Close()
	select {
	case <-p.ended:
	case <-time.After(processLimit):
		p.command.Process.Signal(syscall.SIGQUIT) //nolint:errcheck // it writes what it waits for, where that works
		select {
		case <-p.ended:
		case <-time.After(dumpLimit):
			p.kill()
		}
	}
	if state := p.command.ProcessState; !state.Success() {
		return fmt.Errorf("stop %s: %v: %s", p.what, state, p.complaints.String())
	}
	if text := p.complaints.String(); strings.Contains(text, "DATA RACE") {
		return fmt.Errorf("stop %s: %s", p.what, text)
	}
	return nil
}

// kill ends the process at once, as kill -9 does.
func (p *process) kill() {
	p.command.Process.Kill() //nolint:errcheck // it has ended already
	<-p.ended
}
