package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// statePeriod is how often the place in the stream is written to Options.StateFile.
const statePeriod = 5 * time.Second

// A savedState is the content of Options.StateFile.
type savedState struct {
	Epoch   uint64    `json:"epoch"`
	Seq     uint64    `json:"seq"`
	Time    int64     `json:"time"`    // of the message Seq
	Created time.Time `json:"created"` // when the stream was created
}

// loadState returns the place that an earlier process has reached. A file that cannot be read counts
// as none: it only makes the loss of messages known.
func (e *Engine) loadState() (s savedState, ok bool) {
	if e.options.StateFile == "" {
		return s, false
	}
	text, err := os.ReadFile(e.options.StateFile)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		e.log.Warn("cannot read how far this node has read the stream", "file", e.options.StateFile, "error", err)
	}
	return s, err == nil
}

func (e *Engine) saveStates(ctx context.Context) {
	for e.pause(ctx, cmp.Or(e.options.states, statePeriod)) {
		e.saveState()
	}
}

func (e *Engine) saveState() {
	e.life.RLock()
	at := e.tail.place()
	s := savedState{e.epoch, at.seq, at.time, e.created}
	e.life.RUnlock()
	text, err := json.Marshal(s)
	if err == nil {
		temporary := e.options.StateFile + ".new"
		if err = os.MkdirAll(filepath.Dir(temporary), 0o700); err == nil {
			err = writeSynced(temporary, text)
		}
		if err == nil {
			err = os.Rename(temporary, e.options.StateFile)
		}
	}
	if err != nil {
		e.log.Warn("cannot write how far this node has read the stream", "file", e.options.StateFile, "error", err)
	}
}

// writeSynced writes a file and waits until the disk has it: the file is for the case that all
// machines lose their power.
func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
