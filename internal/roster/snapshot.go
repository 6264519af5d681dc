package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
)

// snapshots takes a snapshot after the wait, and again until one is complete or ctx ends.
func (o *other) snapshots(ctx context.Context, wait time.Duration) {
	for pause := snapshotInterval; ; pause = min(2*pause, maxPause) {
		if wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
		err := o.snapshot(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		level := slog.LevelWarn
		if errors.Is(err, nodes.ErrStarting) { // it answers when it has started
			level = slog.LevelInfo
		}
		o.r.log.Log(ctx, level, "the sessions of another node cannot be read: this node tries it again", "node", o.name, "pause", pause, "error", err)
		wait = pause
	}
}

// Errors of a snapshot.
var (
	errTooManyChanges = fmt.Errorf("more than %d changes came meanwhile", maxKept)
	errMissing        = errors.New("changes that came meanwhile are missing")
	errPages          = fmt.Errorf("it has more than %d pages, or one of them follows itself", maxPages)
	errRestarted      = errors.New("another incarnation of the node has answered")
)

// snapshot takes a snapshot. It returns nil if it is complete, and all changes since have been
// applied.
func (o *other) snapshot(ctx context.Context) error {
	if !o.begin(ctx) {
		return ctx.Err()
	}
	var number uint64
	after := ""
	for n := 0; ; n++ {
		p, err := o.ask(ctx, after)
		if err != nil {
			return err
		}
		if n == 0 {
			number = p.Number
		}
		if !o.take(ctx, p, n == 0) {
			return ctx.Err()
		}
		if p.Next == "" {
			return o.complete(ctx, number)
		}
		if n >= maxPages || p.Next == after {
			return errPages
		}
		after = p.Next
	}
}

// begin forgets the changes that have come until now, because the snapshot will show them. It returns
// false if ctx has ended.
func (o *other) begin(ctx context.Context) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	o.restart()
	return true
}

// ask asks for a page.
func (o *other) ask(ctx context.Context, after string) (p page, err error) {
	text, err := json.Marshal(question{wireVersion, after})
	if err != nil {
		return page{}, err
	}
	answer, err := o.r.group.AskOne(ctx, o.name, questionKind, text)
	if err != nil {
		return page{}, err
	}
	if err := json.Unmarshal(answer, &p); err != nil {
		return page{}, err
	}
	if p.V != wireVersion {
		return page{}, fmt.Errorf("its page has version %d: update the older of the two nodes", p.V)
	}
	if p.Incarnation != o.incarnation {
		return page{}, errRestarted
	}
	return p, nil
}

// take applies a page. It returns false if ctx has ended.
func (o *other) take(ctx context.Context, p page, first bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	if first {
		o.hub.Begin()
	}
	o.apply(p.Sessions)
	return true
}

// complete ends a snapshot that shows all changes up to the number, and applies the later ones.
func (o *other) complete(ctx context.Context, number uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if o.tooMany {
		return errTooManyChanges
	}
	var changes []boreas.PresenceChange
	applied := number
	for _, b := range o.kept {
		if b.First > applied+1 {
			return errMissing
		}
		later := b.after(applied)
		changes = append(changes, later...)
		applied += uint64(len(later))
	}
	o.hub.End()
	o.apply(unite(changes))
	o.applied, o.cancel, o.synced = applied, nil, clock.Now()
	o.restart()
	return nil
}
