package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/engine/disk"
	"github.com/boreas-pubsub/boreas/v2/engine/memory"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

// TestErrorsOfOpening: each error is one sentence with the directory and what to do.
func TestErrorsOfOpening(t *testing.T) {
	damage := &disk.DamageError{File: "/data/history/0000000000000007.log", Offset: 4711, Reason: "wrong checksum"}
	version := &disk.VersionError{File: "/data/history/0000000000000007.log", Version: 9}
	missing := &fs.PathError{Op: "open", Path: "/data/history", Err: syscall.EACCES}
	readOnly := &fs.PathError{Op: "open", Path: "/data/history", Err: syscall.EROFS}
	full := &fs.PathError{Op: "write", Path: "/data/history/7.log", Err: syscall.ENOSPC}
	const drops = "put a backup in the place of the directory, or run `boreas data repair --data-dir=/data`, which drops the messages that cannot be read and begins a new epoch"
	for _, c := range []struct {
		err  error
		want string
	}{
		{damage, "the messages in data_dir are damaged: " + damage.Error() + ": " + drops},
		{version, "the messages in data_dir (/data) cannot be read: " + version.Error()},
		{fmt.Errorf("lock: %w", disk.ErrInUse), "the messages in data_dir (/data) are in use by another process: stop it, or give another data_dir"},
		{missing, "the server cannot write to its data_dir (/data): open /data/history: permission denied: give the directory to the user that the server runs as"},
		{readOnly, "the server cannot write to its data_dir (/data): open /data/history: read-only file system: give the directory to the user that the server runs as"},
		{full, "open the messages in data_dir (/data): write /data/history/7.log: no space left on device"},
	} {
		got := explainOpen(c.err, "/data")
		if diff := cmp.Diff(c.want, got.Error()); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c.err, diff)
		}
		if !errors.Is(got, c.err) && !errors.Is(c.err, disk.ErrInUse) {
			t.Errorf("%v does not wrap its cause", got)
		}
	}
}

// TestLogOfOpening: the log says what was found, and what it means.
func TestLogOfOpening(t *testing.T) {
	const counts = " messages=5 channels=2 keys=3 segments=4 bytes=900 took=1s\n"
	base := disk.Opened{Dir: "/data/history", Epoch: 1000, Messages: 5, Channels: 2, Keys: 3, Segments: 4, Bytes: 900, Took: time.Second}
	kept := `level=INFO msg="messages are kept on disk" dir=/data/history epoch=kept epoch_number=v8` + counts
	for name, c := range map[string]struct {
		change func(*disk.Opened)
		want   string
	}{
		"kept": {func(*disk.Opened) {}, kept},
		"new":  {func(o *disk.Opened) { o.Created = true }, `level=INFO msg="messages are kept on disk" dir=/data/history epoch="new, because the directory is new" epoch_number=v8` + counts},
		"all warnings": {
			func(o *disk.Opened) { o.Lost, o.Lives, o.Cut, o.KeysLost = true, 2, 77, 8 },
			kept + `level=WARN msg="the server did not end properly, and with sync_interval the end of the messages may be lost: clients that have received lost messages get a gap" sync_interval=1s lives=2
level=WARN msg="the last write was not complete and was removed; its messages were not acknowledged, unless sync_interval is set" bytes=77
level=WARN msg="history_memory is too small for all idempotency keys: a message that is sent again with a forgotten key is published twice" forgotten=8
`,
		},
	} {
		logger, log := testlog.New()
		o := base
		c.change(&o)
		logOpened(logger, o, time.Second)
		if diff := cmp.Diff(c.want, log.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestProgressOfOpening: a directory that is read for long gets a line every five seconds.
func TestProgressOfOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, log := testlog.New()
		progress := logProgress(logger)
		for i := range 12 {
			time.Sleep(time.Second)
			progress(int64(i), 100)
		}
		const want = `level=INFO msg="reading the messages on disk" read=4 of=100
level=INFO msg="reading the messages on disk" read=9 of=100
`
		if diff := cmp.Diff(want, log.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// onDisk returns a configuration with the messages of channels on disk, except those of typing.
func onDisk(dir string) config.Config {
	return testConfig(func(c *config.Config) {
		c.DataDir, c.Engine = dir, config.EngineDisk
		c.Rules = []config.Rule{{Pattern: "typing.*", Durable: config.DurableMemory}}
	})
}

// TestMessagesSurviveARestart: those on disk, with their positions, but not those of a rule with
// durable=memory.
func TestMessagesSurviveARestart(t *testing.T) {
	cfg := onDisk(t.TempDir())
	var before, after string
	for _, history := range []*string{&before, &after} {
		logger, log := testlog.New()
		s, err := Start(t.Context(), cfg, Options{Log: logger})
		if err != nil {
			t.Fatal(err)
		}
		if history == &before {
			for _, channel := range []string{"news", "typing.1"} {
				call(t, s, "POST", "/v2/channels/"+channel+"/messages", `"hello"`)
			}
		}
		_, *history = call(t, s, "GET", "/v2/channels/news/messages", "")
		_, typing := call(t, s, "GET", "/v2/channels/typing.1/messages", "")
		if kept := strings.Contains(typing, "hello"); kept != (history == &before) {
			t.Errorf("typing: %s", typing)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if epoch := map[*string]string{&before: `epoch="new, because the directory is new"`, &after: "epoch=kept"}[history]; !strings.Contains(log.String(), epoch) {
			t.Errorf("the log has no %s:\n%s", epoch, log)
		}
	}
	if diff := cmp.Diff(before, after); diff != "" || !strings.Contains(after, "hello") {
		t.Errorf("history (-before +after):\n%s", diff)
	}
}

// TestDamageEndsTheStart: the error says where the damage is, and everything that was opened is closed.
func TestDamageEndsTheStart(t *testing.T) {
	dir := t.TempDir()
	cfg := onDisk(dir)
	s, err := Start(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		call(t, s, "POST", "/v2/channels/news/messages", `"hello"`)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, HistoryDir, "0000000000000001.log")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, []byte("hello"))
	damaged := bytes.Clone(whole)
	damaged[at]++
	if err := os.WriteFile(file, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), cfg, Options{})
	pattern := regexp.MustCompile(`^the messages in data_dir are damaged: ` + regexp.QuoteMeta(file) + ` is damaged at byte \d+: [^\n]+: put a backup in the place of the directory, ` +
		"or run `boreas data repair --data-dir=" + regexp.QuoteMeta(dir) + "`, which drops the messages that cannot be read and begins a new epoch$")
	if err == nil || !pattern.MatchString(err.Error()) {
		t.Fatalf("got %v", err)
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Start(t.Context(), cfg, Options{}); err != nil {
		t.Fatalf("the directory or a port is still in use: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestDamageWhileRunning: a read of a damaged message fails with a code, and the log has the file, the
// byte and the channel. Everything else goes on.
func TestDamageWhileRunning(t *testing.T) {
	dir := t.TempDir()
	cfg := onDisk(dir)
	cfg.HistoryMemory = 1 << 20 // most messages are on disk only
	logger, log := testlog.NewAt(slog.LevelError)
	s := start(t, cfg, Options{Log: logger})
	call(t, s, "POST", "/v2/channels/quiet/messages", `"whole"`)
	for i := range 40 {
		call(t, s, "POST", "/v2/channels/news/messages", fmt.Sprintf(`"n%d %s"`, i, strings.Repeat("x", 50_000)))
	}
	live := subscribe(t, s, "news")
	file := filepath.Join(dir, HistoryDir, "0000000000000001.log")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("m"), int64(bytes.Index(content, []byte("n0 ")))); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	status, body := call(t, s, "GET", "/v2/channels/news/messages?limit=1", "")
	if status != 503 || !strings.Contains(body, `"code":"storage_failed"`) || strings.Contains(body, dir) {
		t.Errorf("damaged: %d %s", status, body)
	}
	pattern := regexp.MustCompile(`^level=ERROR msg="cannot read messages" channel=news error="` + regexp.QuoteMeta(file) + ` is damaged at byte \d+: [^\n]+\n$`)
	if !pattern.MatchString(log.String()) {
		t.Errorf("log: %s", log)
	}
	for path, want := range map[string]string{"/v2/channels/quiet/messages": `"whole"`, "/readyz": "ok"} {
		if status, body := call(t, s, "GET", path, ""); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	call(t, s, "POST", "/v2/channels/news/messages", `"live"`)
	if got := live.Read(); got != `{"message": "live", "channel": "news"}` {
		t.Errorf("got %s", got)
	}
}

// TestDirectoryInUse: a second engine does not open the directory, and the first one works on.
func TestDirectoryInUse(t *testing.T) {
	cfg := onDisk(t.TempDir())
	discard := slog.New(slog.DiscardHandler)
	first, err := NewEngine(t.Context(), cfg, discard)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = NewEngine(t.Context(), cfg, discard)
	if want := "the messages in data_dir (" + cfg.DataDir + ") are in use by another process: stop it, or give another data_dir"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := first.Publish(t.Context(), "a", engine.Message{Data: []byte("1")}); err != nil {
		t.Error(err)
	}
}

// TestStopWhileOpening: a start that is stopped while the directory is read does not wait, and the
// engine is closed.
func TestStopWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		opening := make(chan struct{})
		e := memory.New(memory.Options{})
		time.AfterFunc(time.Second, stop)
		started := time.Now()
		_, err := openEngine(ctx, func() (engine.Engine, error) {
			<-opening
			return e, nil
		})
		if !errors.Is(err, context.Canceled) || time.Since(started) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(started))
		}
		close(opening)
		synctest.Wait()
		if err := e.Close(); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("the engine was not closed: %v", err)
		}
	})
}

// unclosable is an engine that cannot be closed properly.
type unclosable struct{ *memory.Engine }

func (e unclosable) Close() error {
	return errors.Join(e.Engine.Close(), errors.New("input/output error"))
}
func (unclosable) Ready() error { return engine.ErrStorageFailed }

// TestTheEngineIsAsked: /readyz shows the engine's error, and an error of closing is logged.
func TestTheEngineIsAsked(t *testing.T) {
	logger, log := testlog.NewAt(slog.LevelError)
	s, err := Start(t.Context(), testConfig(func(*config.Config) {}), Options{Engine: unclosable{memory.New(memory.Options{})}, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	status, body := call(t, s, "GET", "/readyz", "")
	if status != 503 || body != engine.ErrStorageFailed.Error()+"\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	s.Shutdown(t.Context())
	const want = `level=ERROR msg="closing the messages failed: the last ones may not be on disk" error="input/output error"` + "\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOptionsOfTheDisk: each option of the server reaches the engine. A rule with a longer age does
// not make the engine write more files.
func TestOptionsOfTheDisk(t *testing.T) {
	age := 100 * time.Hour
	cfg := onDisk("")
	cfg.Rules = append(cfg.Rules, config.Rule{Pattern: "old.*", HistoryAge: &age})
	cfg.HistoryMemory, cfg.HistoryDisk, cfg.DiskFree, cfg.SyncInterval, cfg.IdempotencyWindow = 1<<28, 1<<30, 1<<20, time.Second, time.Hour
	o := diskOptions(cfg, newRules(cfg))
	got := fmt.Sprint(o.Age, o.Memory, o.Disk, o.DiskFree, o.SyncInterval, o.KeyWindow, o.InMemory("typing.1"), o.InMemory("old.1"), o.Limits("old.1").Age, o.Limits("new.1").Age)
	if diff := cmp.Diff("100h0m0s 268435456 1073741824 1048576 1s 1h0m0s true false 100h0m0s 5m0s", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	cfg.DiskFree, cfg.IdempotencyWindow = 0, 0 // none, and not the engine's defaults
	if o := diskOptions(cfg, newRules(cfg)); o.DiskFree >= 0 || o.KeyWindow >= 0 {
		t.Errorf("%d bytes free, keys for %v", o.DiskFree, o.KeyWindow)
	}
	s := &Server{cfg: cfg}
	if d := s.account(); d.history != o.MaxFiles() {
		t.Errorf("%d descriptors for messages, want %d", d.history, o.MaxFiles())
	}
}
