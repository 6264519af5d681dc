package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// errBrokenPipe ends a command when the reader of its standard output has exited.
var errBrokenPipe = errors.New("standard output was closed by its reader")

// catchBrokenPipes keeps SIGPIPE from ending the process. By default, Go ends a process that writes
// to a broken standard output or standard error. The server must survive the reader of its log, and
// commands must clean up before they exit. The signal is caught, not ignored, because commands that
// run as token providers would inherit an ignored signal.
func catchBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// endByBrokenPipe ends the process as SIGPIPE ends any tool: without a message, and with an exit
// status that tells the shell the reason.
func endByBrokenPipe() {
	signal.Reset(syscall.SIGPIPE)
	os.Stdout.Write([]byte("\n")) // Go raises the signal
}

// pipe is standard output. It records whether its reader has exited.
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
