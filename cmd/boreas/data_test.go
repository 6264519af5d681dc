package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
)

// dataDir returns a directory in which a server has kept three messages on each of two channels.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	e := openData(t, dir)
	for i := range 3 {
		for _, channel := range []string{"news", "chat"} {
			if _, err := e.Publish(t.Context(), channel, engine.Message{Data: fmt.Appendf(nil, `"%s %d"`, channel, i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openData(t *testing.T, dir string) *disk.Engine {
	t.Helper()
	e, _, err := disk.Open(filepath.Join(dir, server.HistoryDir), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// data runs `boreas data`, and replaces the parts of its output that differ from run to run.
func data(t *testing.T, dir, what string) outcome {
	t.Helper()
	got := started{args: "data " + what + " --data-dir=" + dir}.run(t)
	for _, text := range []*string{&got.Stdout, &got.Stderr} {
		*text = strings.ReplaceAll(*text, dir, "DIR")
		*text = regexp.MustCompile(`(?m)^epoch( +)[0-9a-v]+$`).ReplaceAllString(*text, "epoch${1}E")
		*text = regexp.MustCompile(`\b[0-9]+ bytes`).ReplaceAllString(*text, "N bytes")
		*text = regexp.MustCompile(`at byte [0-9]+: [^\n]*`).ReplaceAllString(*text, "at byte N: WHY")
	}
	return got
}

// damage changes a byte of a message.
func damage(t *testing.T, dir, message string) {
	t.Helper()
	file := filepath.Join(dir, server.HistoryDir, "0000000000000001.log")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[bytes.Index(content, []byte(message))]++
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

const whole = `directory  DIR/history
epoch      E
files      1, N bytes
messages   6 in 2 channels
damage     none
`

// TestDataWithoutDamage: check and repair change nothing, and a new epoch keeps the messages.
func TestDataWithoutDamage(t *testing.T) {
	dir := dataDir(t)
	before, err := os.ReadFile(filepath.Join(dir, server.HistoryDir, "0000000000000001.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		want outcome
	}{
		{"check", outcome{Stdout: whole}},
		{"repair", outcome{Stdout: whole, Stderr: "boreas: nothing is damaged, and nothing was changed\n"}},
	} {
		if diff := cmp.Diff(c.want, data(t, dir, c.what)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, server.HistoryDir, "0000000000000001.log"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed, %v", err)
	}

	position := func() string {
		e := openData(t, dir)
		defer e.Close()
		h, err := e.Read(t.Context(), "news", engine.Position{}, engine.Limit{Messages: 10})
		if err != nil || len(h.Publications) != 3 {
			t.Fatalf("%+v, %v", h, err)
		}
		return h.Head.String()
	}
	old := position()
	got := started{args: "data new-epoch --data-dir=" + dir}.run(t)
	epoch, _ := strings.CutPrefix(strings.TrimSpace(got.Stdout), "epoch  ")
	if now := position(); got.Exit != exitOK || now == old || !strings.HasPrefix(now, epoch+"-") {
		t.Errorf("%+v: the position was %s and is %s", got, old, now)
	}
}

// TestDamagedData: check reports the damage and the number of messages that a repair drops.
func TestDamagedData(t *testing.T) {
	dir := dataDir(t)
	damage(t, dir, "news 1")
	const place = "DIR/history/0000000000000001.log is damaged at byte N: WHY\n"
	for _, c := range []struct {
		what string
		want outcome
	}{
		{"check", outcome{
			Exit: exitFailed,
			Stdout: `directory  DIR/history
epoch      E
files      1, N bytes
messages   4 in 2 channels
damage     ` + place,
			Stderr: "boreas: a place is damaged: put a backup in the place of the directory, or run `boreas data repair --data-dir=DIR`, " +
				"which drops 2 messages and begins a new epoch\n",
		}},
		{"new-epoch", outcome{Exit: exitFailed, Stderr: "boreas: " + place}},
		{"repair", outcome{
			Stdout: `directory  DIR/history
epoch      E
files      2, N bytes
messages   4 in 2 channels
damage     ` + place,
			Stderr: "boreas: repaired: dropped 2 messages; the epoch is new, so each client that resumes gets a gap\n",
		}},
		{"check", outcome{Stdout: strings.NewReplacer("files      1", "files      2", "6 in 2", "4 in 2").Replace(whole)}},
	} {
		if diff := cmp.Diff(c.want, data(t, dir, c.what)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	openData(t, dir).Close()
}

// TestDataMistakes: errors name the remedy.
func TestDataMistakes(t *testing.T) {
	dir, none, file := dataDir(t), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(file, server.HistoryDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	running := openData(t, dir)
	defer running.Close()
	for args, want := range map[string]outcome{
		"data":                           {Exit: exitUsage, Stderr: "boreas: say what to do: boreas data check, repair or new-epoch\n"},
		"data chekc":                     {Exit: exitUsage, Stderr: "boreas: there is no command \"chekc\"; did you mean check?; see `boreas --help`\n"},
		"data check":                     {Exit: exitUsage, Stderr: "boreas: name the data_dir of the server: boreas data check --data-dir=DIR\n"},
		"data check x --data-dir=" + dir: {Exit: exitUsage, Stderr: "boreas: boreas data check takes only flags, and \"x\" is not a flag\n"},
		"data repair --data-dir=" + none: {Exit: exitUsage, Stderr: "boreas: --data-dir=" + none + ": it has no messages: there is no directory " + none + "/history\n"},
		"data check --data-dir=" + file:  {Exit: exitUsage, Stderr: "boreas: --data-dir=" + file + ": " + file + "/history is not a directory\n"},
		"data check --data-dir=" + dir:   {Exit: exitFailed, Stderr: "boreas: " + dir + "/history is in use by another process: stop the server first\n"},
	} {
		if diff := cmp.Diff(want, started{args: args}.run(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", args, diff)
		}
	}
}

// TestDataProgress: a directory that is read for long gets a line every two seconds.
func TestDataProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		progress := (&program{stderr: &stderr}).dataProgress()
		for i := range 5 {
			time.Sleep(time.Second)
			progress(int64(i)<<20, 100<<20)
		}
		if diff := cmp.Diff("boreas: read 1 of 100 MiB\nboreas: read 3 of 100 MiB\n", stderr.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
