//go:build unix

package auth

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExec(t *testing.T) {
	tokens, err := Load(t.Context(), `exec:printf 'one\ntwo\n' | cat; echo noise >&2`, noLimit)
	if diff := cmp.Diff([]string{"one", "two"}, tokens); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for command, want := range map[string]string{
		"exit 3":                  "the command failed with exit status 3 and wrote nothing to stderr",
		"echo secret; kill -9 $$": "the command failed with signal: killed and wrote nothing to stderr",
		`printf 'first\n\033[1mno  database\n' >&2; exit 1`: "the command failed with exit status 1: first [1mno database",
		"echo two words": "line 1: the token has a blank, U+0020, at byte 3",
		"awk 'BEGIN { for (i = 0; i < 2000; i++) print \"line\" i > \"/dev/stderr\"; exit 4 }'": "the command failed with exit status 4: ..." + lastLines(),
		"head -c 70000000 /dev/zero": "it returned more than 64 MiB",
	} {
		tokens, err := Load(t.Context(), "exec:"+command, noLimit)
		checkFailure(t, tokens, err, "token provider exec: "+want)
	}
}

// lastLines returns the end of the words line0 to line1999.
func lastLines() string {
	var b strings.Builder
	for i := 1900; i < 2000; i++ {
		b.WriteString(" line" + string([]byte{'1', '9', byte('0' + i/10%10), byte('0' + i%10)}))
	}
	return b.String()[b.Len()-maxReason:]
}

func TestExecLimit(t *testing.T) {
	tokens, err := Load(t.Context(), "exec:sleep 600", time.Millisecond)
	checkFailure(t, tokens, err, "token provider exec: no answer within 1ms")
}

// TestExecIsKilledWhole runs a command that starts another process. At the time limit both are
// killed. The other process holds a named pipe open, so the end of the pipe shows that it is gone.
func TestExecIsKilledWhole(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	loaded := make(chan error, 1)
	go func() {
		_, err := Load(ctx, "exec:(echo started; exec sleep 600) > '"+pipe+"' & wait", noLimit)
		loaded <- err
	}()
	f, err := os.Open(pipe) // waits until the other process opens it
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	if line, err := r.ReadString('\n'); line != "started\n" {
		t.Fatal(line, err)
	}
	giveUp()
	if _, err := r.ReadByte(); err == nil {
		t.Error("more than one line")
	}
	checkFailure(t, nil, <-loaded, "token provider exec: context canceled")
}

// TestFileLimit reads a named pipe without a writer.
func TestFileLimit(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	tokens, err := Load(t.Context(), "file:"+pipe, time.Millisecond)
	checkFailure(t, tokens, err, "token provider file:"+pipe+": no answer within 1ms")

	// The abandoned reader ends when the pipe does.
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}
