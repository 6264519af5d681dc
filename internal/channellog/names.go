package channellog

import (
	"context"
	"sync"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/listing"
)

// keptNames has the names of a shard's kept logs in order. Its lock comes after Log.mu.
type keptNames struct {
	mu    sync.Mutex
	names listing.Index
}

func (k *keptNames) set(name string, kept bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kept {
		k.names.Add(name)
	} else {
		k.names.Remove(name)
	}
}

// first appends to dst the first names after the name given that the page wants, at most the page's
// limit.
func (k *keptNames) first(dst []string, p *listing.NamePage, after string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.names.Each(p.Prefix, after, func(name string) bool {
		if len(dst) == p.Limit || !p.Wants(name) {
			return false
		}
		dst = append(dst, name)
		return true
	})
	return dst
}

// ListChannels returns the names of channels that have publications: the first ones in byte order
// that begin with the prefix and come after the name given, at most limit. Its cost depends on the
// number of names returned, not on the number of channels. Errors: [engine.ErrClosed], those of
// ctx.
func (t *Table) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	page := listing.NewNamePage(prefix, after, limit)
	var names []string
	for i := range t.shards {
		s := &t.shards[i]
		for from := after; ; from = names[len(names)-1] {
			if t.closed.Load() {
				return nil, engine.ErrClosed
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if names = s.kept.first(names[:0], page, from); len(names) == 0 {
				break
			}
			for _, name := range names {
				if page.Wants(name) && t.keeps(s, name) {
					page.Add(name)
				}
			}
		}
	}
	return page.Sorted(), nil
}

// keeps reports whether the shard's channel has publications. The channel may have lost them
// just now, or have only keys.
func (t *Table) keeps(s *shard, name string) bool {
	s.mu.RLock()
	l := s.logs[name]
	s.mu.RUnlock()
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(t, clock.Now())
	l.settle(t)
	return l.len() > 0
}
