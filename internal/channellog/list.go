package channellog

import (
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
)

// pubList is a queue of publications, oldest first. One array has the publications, another the
// times at which they were accepted. Publications dropped from the front leave free places, which
// are used again before the arrays grow. So a log at its limit does not allocate, and moves only a
// few pointers for each publication.
type pubList struct {
	all  []*engine.Publication // the places before dead are nil
	at   []clock.Mono          // same length as all
	dead int
}

func (q *pubList) len() int { return len(q.all) - q.dead }

// live returns the publications. They belong to the list: the caller must not keep or change
// them.
func (q *pubList) live() []*engine.Publication { return q.all[q.dead:] }

// times returns the acceptance time of each of live, under the same terms.
func (q *pubList) times() []clock.Mono { return q.at[q.dead:] }

func (q *pubList) push(p *engine.Publication, at clock.Mono) {
	if len(q.all) == cap(q.all) {
		if n := q.len(); q.dead > 0 && q.dead >= n/4 {
			copy(q.all, q.live())
			copy(q.at, q.times())
			clear(q.all[n:])
			q.all, q.at, q.dead = q.all[:n], q.at[:n], 0
		} else {
			q.resize()
		}
	}
	q.all = append(q.all, p)
	q.at = append(q.at, at)
}

// pushFront adds publications before the others.
func (q *pubList) pushFront(pubs []*engine.Publication, at []clock.Mono) {
	all := make([]*engine.Publication, 0, len(pubs)+q.len())
	times := make([]clock.Mono, 0, cap(all))
	q.all, q.at, q.dead = append(append(all, pubs...), q.live()...), append(append(times, at...), q.times()...), 0
}

// drop removes the n oldest publications.
func (q *pubList) drop(n int) {
	clear(q.all[q.dead : q.dead+n]) // so that the garbage collector can free them
	q.dead += n
	switch left := q.len(); {
	case left == 0:
		*q = pubList{}
	case cap(q.all) > 64 && left < cap(q.all)/4:
		q.resize()
	}
}

// resize moves the publications to arrays with room for half as many more.
func (q *pubList) resize() {
	n := q.len()
	all, at := make([]*engine.Publication, n, n+n/2+1), make([]clock.Mono, n, n+n/2+1)
	copy(all, q.live())
	copy(at, q.times())
	q.all, q.at, q.dead = all, at, 0
}
