package boreas

import (
	"context"
	"sync"

	"github.com/boreas-pubsub/boreas/internal/clock"
)

// keptNames holds the names of a shard's kept logs, in order. Its lock comes after memoryLog.mu.
type keptNames struct {
	mu    sync.Mutex
	names nameIndex
}

func (k *keptNames) set(name string, kept bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kept {
		k.names.add(name)
	} else {
		k.names.remove(name)
	}
}

// first appends the first names that the page wants and that come after the given name, up to
// the page's limit.
func (k *keptNames) first(dst []string, p *namePage, after string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.names.each(p.prefix, after, func(name string) bool {
		if len(dst) == p.limit || !p.wants(name) {
			return false
		}
		dst = append(dst, name)
		return true
	})
	return dst
}

// ListChannels returns the names of channels that have publications, at most limit: the first
// ones in byte order that begin with the prefix and come after the name given. Its cost depends
// on the number of names returned, not on the number of channels. Errors: [ErrClosed], those of
// ctx.
func (m *Memory) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	page := newNamePage(prefix, after, limit)
	var names []string
	for i := range m.shards {
		s := &m.shards[i]
		for from := after; ; from = names[len(names)-1] {
			if m.closed.Load() {
				return nil, ErrClosed
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if names = s.kept.first(names[:0], page, from); len(names) == 0 {
				break
			}
			for _, name := range names {
				if page.wants(name) && m.keeps(s, name) {
					page.add(name)
				}
			}
		}
	}
	return page.sorted(), nil
}

// keeps reports whether the shard's channel has publications. The channel may have lost them
// just now, or have only keys.
func (m *Memory) keeps(s *memoryShard, name string) bool {
	s.mu.RLock()
	l := s.logs[name]
	s.mu.RUnlock()
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(m, clock.Now())
	l.settle(m)
	return l.pubs.len() > 0
}

var _ channelLister = (*Memory)(nil)
