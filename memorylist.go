package boreas

// pubList is a queue of publications, oldest first, in one array. What is taken from
// its front leaves room there, which is used again before the array grows: a log at
// its bound neither allocates nor moves more than a few pointers a publication.
type pubList struct {
	all  []*Publication // from dead on; before that they are nil
	dead int
}

func (q *pubList) len() int { return len(q.all) - q.dead }

// live returns the publications. They are the list's: not to be kept or changed.
func (q *pubList) live() []*Publication { return q.all[q.dead:] }

func (q *pubList) push(p *Publication) {
	if len(q.all) == cap(q.all) {
		if n := q.len(); q.dead > 0 && q.dead >= n/4 {
			copy(q.all, q.live())
			clear(q.all[n:])
			q.all, q.dead = q.all[:n], 0
		} else {
			q.resize()
		}
	}
	q.all = append(q.all, p)
}

// drop takes the n oldest away.
func (q *pubList) drop(n int) {
	clear(q.all[q.dead : q.dead+n]) // the collector looks at the whole array
	q.dead += n
	switch left := q.len(); {
	case left == 0:
		*q = pubList{}
	case cap(q.all) > 64 && left < cap(q.all)/4:
		q.resize()
	}
}

// resize moves the publications to an array with room for half as many more.
func (q *pubList) resize() {
	n := q.len()
	all := make([]*Publication, n, n+n/2+1)
	copy(all, q.live())
	q.all, q.dead = all, 0
}
