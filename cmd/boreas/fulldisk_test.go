//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/smalldisk"
)

// TestFullDisk fills a real file system. Publishes are refused, everything else goes on, and so do
// publishes as soon as there is room.
func TestFullDisk(t *testing.T) {
	const disk, room = 32 << 20, 64 << 10 // bytes of the file system, and those that the ballast leaves
	small := smalldisk.New(t, disk)
	dir := small.Dir
	p := newProcess(t, "--api-port=0", "--ws-port=0", "--require-auth=false", "--data-dir="+dir, "--history-disk=128MiB", "--disk-free=0")
	s, err := startServer(p.cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	api := "http://" + s.api
	conn, err := client.Connect(client.ConnectOptions{URL: "ws://" + s.ws})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	subscription, err := conn.Subscribe(t.Context(), "news", client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}

	small.Fill(t, room) // others take the rest of the disk
	message := func(i int) []byte { return fmt.Appendf(nil, `"%d %s"`, i, strings.Repeat("x", room)) }
	publish := func(i int) (status int, after, answer string) {
		return ask(t, "POST", api+"/v2/channels/news/messages", fmt.Sprint("key-", i), message(i))
	}
	n := 0
	for ; ; n++ {
		status, after, answer := publish(n)
		if status == http.StatusCreated {
			continue
		}
		answer = regexp.MustCompile(`"message":"[^"]*"`).ReplaceAllString(answer, `"message":""`)
		const want = `{"error":{"code":"storage_full","message":"","retry":"later","docs":"docs/errors.md#storage_full","retry_after_ms":5000}}` + "\n"
		if status != http.StatusInsufficientStorage || after != "5" || answer != want {
			t.Fatalf("message %d: %d, Retry-After %q, %s", n, status, after, answer)
		}
		break
	}
	if n == 0 || n > disk/room {
		t.Fatalf("%d messages were published", n)
	}
	p.waitFor(`level=ERROR msg="no room on disk: publications are refused for now. Free some space, or lower history_disk"`)

	// The rest works.
	for path, want := range map[string]string{
		"/readyz":                            "200 ok\n",
		"/v2/channels/news/messages?limit=1": "200 " + `{"channel":"news"`,
	} {
		status, _, answer := ask(t, "GET", api+path, "", nil)
		if got := fmt.Sprint(status, " ", answer); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %.200s, want %s", path, got, want)
		}
	}
	_, _, metrics := ask(t, "GET", api+"/metrics", "", nil)
	for _, line := range []string{`boreas_publishes_refused_total{reason="storage_full"} 1`, "boreas_storage_failed 0"} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics have no %s", line)
		}
	}
	if !regexp.MustCompile(`(?m)^boreas_history_disk_free_bytes \d{1,6}$`).MatchString(metrics) {
		t.Error("the metrics have no boreas_history_disk_free_bytes below a megabyte")
	}

	small.Free(t)
	removed := time.Now()
	for {
		if status, _, _ := publish(n); status == http.StatusCreated {
			break
		}
	}
	t.Logf("%d messages; published again %v after there was room", n, time.Since(removed))
	if status, _, answer := publish(n); status != http.StatusOK {
		t.Errorf("the repeat of a message that was refused at first: %d %s", status, answer)
	}
	var got, want []string
	for i := range n + 1 {
		want = append(want, string(message(i)))
	}
	for event, err := range subscription.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := event.(*client.Message); ok {
			got = append(got, string(m.Data))
		}
		if len(got) == len(want) {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the subscriber's messages (-want +got):\n%.2000s", diff)
	}
}

// TestStartsThatFail starts a server on directories that it cannot use. It says why and what to do,
// and exits with 1.
func TestStartsThatFail(t *testing.T) {
	readOnly := smalldisk.Mount(t, "ro").Dir
	inUse := t.TempDir()
	startOnDisk(t, inUse)
	damaged := dataDir(t)
	file := filepath.Join(damaged, server.HistoryDir, "0000000000000001.log")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[bytes.Index(text, []byte("news 1"))] ^= 1
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		readOnly: "boreas: the server cannot write to its data_dir (DIR): lock the directory DIR: open DIR/auth.lock: read-only file system: " +
			"give the directory to the user that the server runs as\n",
		inUse: "boreas: lock the directory DIR: another process uses it, probably a running server. Use the API of that server, stop it first, " +
			"or choose another directory with --data-dir\n",
		damaged: "boreas: the messages in data_dir are damaged: DIR/history/0000000000000001.log is damaged at byte N: WHY: put a backup in the place of the directory, " +
			"or run `boreas data repair --data-dir=DIR`, which drops the messages that cannot be read and begins a new epoch\n",
	} {
		got := started{args: "--api-port=0 --ws-port=0 --data-dir=" + dir}.run(t)
		said := strings.ReplaceAll(got.Stderr, dir, "DIR")
		said = regexp.MustCompile(`at byte [0-9]+: [^:]*: put`).ReplaceAllString(said, "at byte N: WHY: put")
		said = said[max(strings.LastIndex(said, "boreas: "), 0):]
		if diff := cmp.Diff(outcome{Exit: exitFailed, Stderr: want}, outcome{Exit: got.Exit, Stderr: said}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestTornTail: what a write has left that was not complete is removed, and the log says how much.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	p, s := startOnDisk(t, dir)
	for _, message := range []string{`"whole"`, `"torn"`} {
		if status, _, answer := ask(t, "POST", "http://"+s.api+"/v2/channels/news/messages", "", []byte(message)); status != http.StatusCreated {
			t.Fatal(status, answer)
		}
	}
	p.signal(syscall.SIGKILL)
	p.exit()
	file := filepath.Join(dir, "history", "0000000000000001.log")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, []byte(`"torn"`))
	clear(text[at+3 : at+6]) // the disk has not got the end of the write
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p, s = startOnDisk(t, dir)
	p.waitFor("epoch=kept ")
	p.waitFor(`level=WARN msg="the last write was not complete and was removed; its messages were not acknowledged, unless sync_interval is set" bytes=`)
	_, _, answer := ask(t, "GET", "http://"+s.api+"/v2/channels/news/messages", "", nil)
	if !strings.Contains(answer, "whole") || strings.Contains(answer, "torn") {
		t.Errorf("the history is %s", answer)
	}
}
