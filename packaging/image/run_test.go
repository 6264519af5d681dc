package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/testport"
)

// patience ends a test that hangs. No result depends on it.
const patience = 2 * time.Minute

// container runs programs in an unpacked image as an engine does: with its environment, as its user,
// in its root folder, which is read-only apart from the volume. It has no /proc, /dev and /tmp, which
// the program does not need.
type container struct {
	t    *testing.T
	root string
	env  []string
}

// unpack unpacks the image for this machine.
func unpack(t *testing.T) container {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a read-only folder and change the user")
	}
	_, index := written(t)
	img := imageFor(t, index, runtime.GOARCH)
	c := container{t: t, root: filepath.Join(t.TempDir(), "root")}
	if err := os.Mkdir(c.root, 0o755); err != nil {
		t.Fatal(err)
	}
	eachFile(t, img, func(h *tar.Header, content io.Reader) {
		name := filepath.Join(c.root, h.Name)
		var err error
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(name, 0o700)
		} else {
			var text []byte
			if text, err = io.ReadAll(content); err == nil {
				err = os.WriteFile(name, text, 0o600)
			}
		}
		for _, err := range []error{err, os.Chmod(name, fs.FileMode(h.Mode)), os.Chown(name, h.Uid, h.Gid)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c.env = file.Config.Env
	return c
}

// command returns a command that runs the image's entrypoint with arguments. Signals reach it. Its
// working directory is /, because the tests mount no configuration.
func (c container) command(ctx context.Context, args ...string) *exec.Cmd {
	const script = `
		root=$1; shift
		mount --bind "$root" "$root"
		mount --bind "$root/var/lib/boreas" "$root/var/lib/boreas"
		mount -o remount,bind,ro "$root"
		exec chroot --userspec=65532:65532 "$root" /boreas "$@"`
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "sh", "-ec", script, "sh", c.root}, args...)...)
	cmd.Env = slices.Clone(c.env)
	return cmd
}

// run runs a command to its end.
func (c container) run(env []string, args ...string) (stdout, stderr string, exit int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := c.command(ctx, args...)
	cmd.Env = append(cmd.Env, env...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// process is a command that runs.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of its output and its log
	ended chan error
}

// start starts a command, which is killed at the end of the test if it still runs then.
func (c container) start(env []string, args ...string) *process {
	c.t.Helper()
	cmd := c.command(context.Background(), args...)
	cmd.Env = append(cmd.Env, env...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	p := &process{c.t, cmd, make(chan string, 1000), make(chan error, 1)}
	finished := make(chan struct{})
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			select {
			case p.lines <- s.Text():
			default: // nobody waits for so many lines
			}
		}
		io.Copy(io.Discard, r) //nolint:errcheck // a line was too long
	}()
	go func() {
		err := cmd.Wait()
		w.Close()
		p.ended <- err
		close(finished)
	}()
	c.t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		<-finished
	})
	return p
}

// await returns the first line that contains the text.
func (p *process) await(text string) string {
	p.t.Helper()
	var seen []string
	for late := time.After(patience); ; {
		select {
		case line, ok := <-p.lines:
			switch {
			case !ok:
				p.t.Fatalf("the process ended before it printed %q:\n%s", text, strings.Join(seen, "\n"))
			case strings.Contains(line, text):
				return line
			}
			seen = append(seen, line)
		case <-late:
			p.t.Fatalf("the process did not print %q:\n%s", text, strings.Join(seen, "\n"))
		}
	}
}

// terminate sends SIGTERM and returns the exit code.
func (p *process) terminate() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatal("the process did not end after a signal")
	}
	return p.cmd.ProcessState.ExitCode()
}

// TestRun starts the image as a user does: it refuses to start without a key, then starts with one,
// becomes healthy, delivers a message, and stops.
func TestRun(t *testing.T) {
	c := unpack(t)
	ports, err := testport.Hold(2)
	if err != nil {
		t.Fatal(err)
	}
	defer ports[0].Release()
	defer ports[1].Release()
	anyPort := []string{"BOREAS_API_PORT=0", "BOREAS_WS_PORT=0"}
	// On all addresses another program could have the ports: they are held on this one.
	env := []string{"BOREAS_API_HOST=127.0.0.1", "BOREAS_WS_HOST=127.0.0.1", fmt.Sprintf("BOREAS_API_PORT=%d", ports[0].Port), fmt.Sprintf("BOREAS_WS_PORT=%d", ports[1].Port)}
	before := tree(t, c.root)

	if out, log, exit := c.run(anyPort); exit != 1 || !strings.Contains(log, "make one with `boreas key new NAME --data-dir=/var/lib/boreas`") {
		t.Errorf("without a key: exit code %d\n%s%s", exit, out, log)
	}
	if out, log, exit := c.run(env, "doctor", "--quick"); exit != 1 {
		t.Errorf("without a server: exit code %d\n%s%s", exit, out, log)
	}
	key, log, exit := c.run(nil, "key", "new", "--data-dir=/var/lib/boreas", "--verbs=admin", "admin")
	if exit != 0 || !strings.HasPrefix(key, "bk_") {
		t.Fatalf("no key: exit code %d\n%s", exit, log)
	}

	server := c.start(env)
	server.await("running")
	if out, log, exit := c.run(env, "doctor", "--quick"); exit != 0 {
		t.Errorf("the server is not healthy: exit code %d\n%s%s", exit, out, log)
	}
	api, ws := "--api=http://"+ports[0].Addr(), "--ws=ws://"+ports[1].Addr()
	withKey := []string{"BOREAS_API_KEY=" + strings.TrimSpace(key)}
	subscriber := c.start(withKey, "subscribe", api, ws, "news")
	subscriber.await("connected")
	if out, log, exit := c.run(withKey, "publish", api, "news", `{"hello":1}`); exit != 0 {
		t.Errorf("the message is not published: exit code %d\n%s%s", exit, out, log)
	}
	if line := subscriber.await(`"message"`); !strings.Contains(line, `{"hello":1}`) {
		t.Error(line)
	}
	subscriber.terminate()
	if exit := server.terminate(); exit != 0 {
		t.Errorf("the server ended with %d", exit)
	}
	if diff := cmp.Diff(before, tree(t, c.root)); diff != "" {
		t.Errorf("the image's own files have changed (-before +after):\n%s", diff)
	}

	// The key and the message are on the volume.
	server = c.start(env)
	server.await("running")
	if out, log, exit := c.run(withKey, "subscribe", api, ws, "--last=1", "--count=1", "news"); exit != 0 || !strings.Contains(out, `{"hello":1}`) {
		t.Errorf("after a restart: exit code %d\n%s%s", exit, out, log)
	}
	if exit := server.terminate(); exit != 0 {
		t.Errorf("the server ended with %d", exit)
	}
}

// tree returns the names, modes and owners of the files outside of the volume.
func tree(t *testing.T, root string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if name == filepath.Join(root, stateDir) {
			return filepath.SkipDir
		}
		all = append(all, fmt.Sprint(name, info.Mode(), info.ModTime(), info.Size()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
