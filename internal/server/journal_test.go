package server

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

func TestJournal(t *testing.T) {
	var log bytes.Buffer
	cfg := config.Default()
	cfg.LogLevel = "debug"
	l := NewLogger(&log, cfg, LogOptions{Journal: true})
	l.Debug("a")
	l.Info("b\nb", "time", 1)
	l.With("x", "y").Warn("c")
	l.WithGroup("g").Error("d", "time", 1)
	l.Log(context.Background(), slog.LevelError+1, "e")
	want := "<7>level=DEBUG msg=a\n<6>level=INFO msg=\"b\\nb\" time=1\n<4>level=WARN msg=c x=y\n<3>level=ERROR msg=d g.time=1\n<3>level=ERROR+1 msg=e\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	log.Reset()
	cfg.LogFormat = "json"
	NewLogger(&log, cfg, LogOptions{Journal: true}).Warn("c")
	if got := log.String(); !bytes.HasPrefix(log.Bytes(), []byte(`{"time":"`)) {
		t.Errorf("JSON: %s", got)
	}
}
