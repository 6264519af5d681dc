package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

const (
	// publisherPause is the mean time between two messages of one publisher.
	publisherPause = 8 * time.Millisecond

	retryPause = 20 * time.Millisecond
)

// An author numbers the messages of one publisher and records whether they were acknowledged.
type author struct {
	t    *trial
	name string
	seqs map[string]uint64
	keys atomic.Int64
}

func (t *trial) newAuthor(name string) *author {
	return &author{t: t, name: name, seqs: make(map[string]uint64)}
}

// next returns the author's next message on the channel. Only one goroutine may call it.
func (a *author) next(channel string) oracle.Message {
	a.seqs[channel]++
	return oracle.Message{Channel: channel, Publisher: a.name, Seq: a.seqs[channel]}
}

// note records the outcome of a publish.
func (a *author) note(m oracle.Message, acked bool, position string) {
	p := oracle.Publish{Message: m, Acked: acked}
	if position != "" {
		p.Position = a.t.position(a.name, position)
	}
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	a.t.publishes = append(a.t.publishes, p)
}

// key returns a new idempotency key.
func (a *author) key() string { return fmt.Sprintf("%s-%d", a.name, a.keys.Add(1)) }

// publishClassic broadcasts until the context ends. It does not retry failed requests, because the
// message may have been published.
func (t *trial) publishClassic(ctx context.Context, name string, r *rand.Rand) {
	a, all := t.newAuthor(name), channels()
	header := http.Header{"Content-Type": {"application/json"}}
	for pause(ctx, randomPause(r)) {
		m := a.next(all[r.IntN(len(all))])
		body := fmt.Appendf(nil, `{"payload": %s}`, newContent(m, false))
		status, text, err := t.world.requests.sendWithin(ctx, http.MethodPost, "http://"+t.world.api.Addr()+"/broadcast/"+m.Channel+"/", header, body)
		switch {
		case err != nil || status == http.StatusServiceUnavailable || status == http.StatusBadGateway:
			a.note(m, false, "")
		case status == http.StatusOK:
			a.note(m, true, "")
		default:
			a.note(m, false, "")
			t.unexpected(name, m.Channel, "a classic broadcast got %d %s", status, text)
		}
	}
}

// publishHTTP publishes with idempotency keys until the context ends. It retries each message until
// it is acknowledged.
func (t *trial) publishHTTP(ctx context.Context, name string, r *rand.Rand) {
	a, all := t.newAuthor(name), channels()
	for pause(ctx, randomPause(r)) {
		m := a.next(all[r.IntN(len(all))])
		position, err := t.publishKeyed(ctx, t.world.api.Addr(), m, a.key())
		a.note(m, err == nil, position)
		if err != nil && ctx.Err() == nil {
			t.unexpected(name, m.Channel, "a publish over HTTP: %v", err)
		}
	}
}

// publishKeyed publishes a message until it is acknowledged, and returns its position. It returns
// an error if the context ends, or if the server refuses the message for good.
func (t *trial) publishKeyed(ctx context.Context, api string, m oracle.Message, key string) (string, error) {
	url := "http://" + api + "/v2/channels/" + m.Channel + "/messages"
	header := http.Header{"Idempotency-Key": {key}, "Content-Type": {"application/json"}}
	for {
		status, text, err := t.world.requests.sendWithin(ctx, http.MethodPost, url, header, newContent(m, false))
		switch {
		case err != nil || status >= 500 || status == http.StatusTooManyRequests:
			if !pause(ctx, retryPause) {
				return "", context.Cause(ctx)
			}
		case status == http.StatusCreated || status == http.StatusOK:
			var answer struct{ Position string }
			if err := json.Unmarshal(text, &answer); err != nil || answer.Position == "" {
				return "", fmt.Errorf("the answer was %q", text)
			}
			return answer.Position, nil
		default:
			return "", fmt.Errorf("status %d: %s", status, text)
		}
	}
}

// position parses a position. It records a finding if the position is malformed.
func (t *trial) position(who, text string) engine.Position {
	if text == "" {
		return engine.Position{}
	}
	p, err := engine.ParsePosition(text)
	if err != nil {
		t.unexpected(who, "", "%v", err)
	}
	return p
}

func randomPause(r *rand.Rand) time.Duration {
	return time.Duration(r.Int64N(2 * int64(publisherPause)))
}

// pause waits for d. It returns false if the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
