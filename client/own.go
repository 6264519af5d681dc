package client

// maxOwn is how many publications without echo a Conn remembers.
const maxOwn = 10_000

// own holds a Conn's newest publications without echo (clause 6.2). The server leaves them out
// of the stream while the channel stays joined. After a rejoin at an older position the server
// sends them, and the Conn drops them.
type own struct {
	known map[place]struct{}
	order []place // a ring: once it has maxOwn entries, the oldest is at next
	next  int
}

type place struct{ channel, position string }

func (o *own) add(p place) {
	if _, ok := o.known[p]; ok {
		return
	}
	if o.known == nil {
		o.known = map[place]struct{}{}
	}
	o.known[p] = struct{}{}
	if len(o.order) < maxOwn {
		o.order = append(o.order, p)
		return
	}
	delete(o.known, o.order[o.next])
	o.order[o.next] = p
	o.next = (o.next + 1) % maxOwn
}

func (o *own) has(p place) bool {
	_, ok := o.known[p]
	return ok
}
