package trial

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

const (
	// settleLimit is the time limit of each step after the failures have stopped. It is reached only
	// if something never arrives.
	settleLimit = 20 * time.Second

	// clusterSettleLimit is settleLimit for several nodes: the NATS servers may elect a leader first,
	// again and again if the machine is busy. One run took two minutes longer than usual.
	clusterSettleLimit = 5 * time.Minute

	// settleRound is how long to wait for the last messages before they are published again.
	settleRound = time.Second

	settlePoll = 10 * time.Millisecond
)

// settle ends all failures, publishes a last message on each channel, and waits until everything has
// arrived.
func (t *trial) settle(ctx context.Context) error {
	for _, s := range t.raws {
		s.mu.Lock()
		s.quiet = true
		s.mu.Unlock()
	}
	t.world.heal()
	err := t.within(ctx, func(ctx context.Context) error {
		for _, s := range t.others {
			s.hush(ctx)
		}
		t.until(ctx, "the last publishes", func() bool {
			return !slices.ContainsFunc(t.raws, func(s *raw) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.pending != nil
			})
		})
		return nil
	})
	if err == nil {
		err = t.within(ctx, t.settleStreams)
	}
	if err == nil {
		err = t.within(ctx, t.settlePresence)
	}
	return err
}

// within calls f with the time limit of a step after the failures.
func (t *trial) within(ctx context.Context, f func(context.Context) error) error {
	limit := settleLimit
	if t.world.cluster != nil {
		limit = clusterSettleLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f(ctx)
}

// settleStreams publishes a last message on each channel and waits until everything has arrived. If
// a classic subscriber was disconnected at that time, it publishes another one.
func (t *trial) settleStreams(ctx context.Context) error {
	end := t.newAuthor(endPublisher)
	var late *recording
	var heads map[string]engine.Position
	settled := func() bool {
		t.mu.Lock()
		all := slices.Clone(t.recordings)
		t.mu.Unlock()
		heads = make(map[string]engine.Position)
		for _, name := range channels() {
			heads[name] = t.world.newest(name)
		}
		late = nil
		if i := slices.IndexFunc(all, func(r *recording) bool { return !r.settled(heads[r.stream.Channel]) }); i >= 0 {
			late = all[i]
		}
		return late == nil
	}
	for !settled() && ctx.Err() == nil {
		for _, name := range channels() {
			m := end.next(name)
			position, err := t.world.current().publish(ctx, name, newContent(m, false))
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("publish the last message on %s: %w", name, err)
			}
			if err != nil { // the time is over
				end.note(m, false, "")
				break
			}
			end.note(m, true, position)
		}
		round, cancel := context.WithTimeout(ctx, settleRound)
		t.until(round, "everything to arrive", settled)
		cancel()
	}
	if late != nil {
		name := late.stream.Channel
		t.unexpected(late.stream.Subscriber, name, "it has not received everything in time: %s, and the channel ends at %v", late, heads[name])
	}
	return nil
}

// until waits for a condition. If the condition never becomes true, the oracle finds the reason.
func (t *trial) until(ctx context.Context, what string, condition func() bool) {
	t.note("waiting for %s", what)
	for !condition() {
		if !pause(ctx, settlePoll) {
			t.note("waited in vain for %s", what)
			return
		}
	}
}

// settlePresence waits until each server reports exactly the present users for each room. It records
// a finding if one never does.
func (t *trial) settlePresence(ctx context.Context) error {
	for i := range rooms {
		room := fmt.Sprintf("room.%d", i)
		var want, got []string
		t.until(ctx, "presence to be right", func() bool {
			want = t.present(room)
			for _, api := range t.world.apis() {
				var state wstest.Presence
				if err := t.world.call(ctx, http.MethodGet, "http://"+api+"/v2/channels/"+room+"/presence", &state); err != nil {
					got = []string{err.Error()}
					return false
				}
				got = presenceCall(&state).Members
				slices.Sort(got)
				if !slices.Equal(want, got) {
					return false
				}
			}
			return t.allKnow(room, want)
		})
		if !slices.Equal(want, got) {
			t.unexpected("presence", room, "there are %v, and the server says %v", want, got)
		}
		t.mu.Lock()
		for _, r := range t.recordings {
			if r.stream.Channel == room && r.on() {
				r.roll.Present = append([]string{}, want...)
			}
		}
		t.mu.Unlock()
	}
	return nil
}

// allKnow reports whether all subscribers of a room that receive its presence know exactly these
// users.
func (t *trial) allKnow(room string, users []string) bool {
	t.mu.Lock()
	all := slices.Clone(t.recordings)
	t.mu.Unlock()
	return !slices.ContainsFunc(all, func(r *recording) bool {
		if r.stream.Channel != room || !r.on() {
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		known, ok := r.roll.Known()
		return ok && !slices.Equal(known, users)
	})
}

// present returns the users in a room, sorted.
func (t *trial) present(room string) (users []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.recordings {
		if r.stream.Channel == room && r.on() {
			users = append(users, t.users[r.stream.Subscriber])
		}
	}
	slices.Sort(users)
	return users
}
