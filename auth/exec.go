package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	// maxStderr is how many bytes are kept of the end of a command's error output.
	maxStderr = 4096

	// maxReason is how many bytes of it are shown.
	maxReason = 300

	// killDelay is how long to wait for the output of a killed command to end. A descendant process
	// that was not killed may hold it open.
	killDelay = time.Second
)

// runCommand returns the output of a shell command. When ctx ends, it kills the command and all
// processes that the command has started.
func runCommand(ctx context.Context, command string) ([]byte, error) {
	cmd := shell(ctx, command)
	cmd.WaitDelay = killDelay
	stderr := &tail{}
	cmd.Stderr = stderr
	stdout := &bounded{}
	cmd.Stdout = stdout

	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		killGroup(cmd) // processes that it has left running
	}
	var exit *exec.ExitError
	switch {
	case stdout.over:
		return nil, errTooLarge
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, errors.New("the command has ended, but a process that it started keeps its output open")
	case errors.As(err, &exit):
		if words := stderr.String(); words != "" {
			return nil, fmt.Errorf("the command failed with %v: %s", exit, words)
		}
		return nil, fmt.Errorf("the command failed with %v and wrote nothing to stderr", exit)
	case err != nil:
		return nil, fmt.Errorf("the command could not be run: %w", err)
	}
	return stdout.text.Bytes(), nil
}

// bounded is a buffer of at most maxProvided bytes. A write beyond that fails, which ends the command
// with a broken pipe.
type bounded struct {
	text bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxProvided {
		b.over = true
		return 0, io.ErrShortWrite
	}
	return b.text.Write(p)
}

// tail keeps the last maxStderr bytes that are written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[max(0, len(p)-maxStderr):]...)
	t.text = t.text[max(0, len(t.text)-maxStderr):]
	return len(p), nil
}

// String returns the last maxReason bytes as one line without control characters.
func (t *tail) String() string {
	words := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(t.text), "?"), func(r rune) bool {
		return r <= ' ' || r >= 0x7f && r <= 0xa0
	}), " ")
	if len(words) > maxReason {
		words = "..." + strings.ToValidUTF8(words[len(words)-maxReason:], "")
	}
	return words
}
