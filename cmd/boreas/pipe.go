package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// errBrokenPipe ends a command when the reader of its standard output has gone.
var errBrokenPipe = errors.New("nobody reads standard output any more")

// catchBrokenPipes keeps SIGPIPE from ending the process. Go ends a process that writes to a
// broken pipe as standard output or standard error. The server must outlive the reader of its
// log, and commands have to tidy up before they end. The signal is caught rather than ignored,
// because the commands of token providers would inherit an ignored signal.
func catchBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// endByBrokenPipe ends the process as SIGPIPE ends any tool: without a message, and with a
// status that shows the shell the reason.
func endByBrokenPipe() {
	signal.Reset(syscall.SIGPIPE)
	os.Stdout.Write([]byte("\n")) // Go raises the signal
}

// pipe is standard output. It remembers whether its reader has gone.
type pipe struct {
	io.Writer
	broken atomic.Bool
}

func (p *pipe) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		p.broken.Store(true)
	}
	return n, err
}
