package client

// maxOwn is how many publications a Conn remembers that are not to come back to it.
const maxOwn = 10_000

// own are a Conn's newest publications without echo (clause 6.2). The server leaves them
// out of the stream for as long as the channel stays joined; after a rejoin at an older
// place they come like any other, and the Conn drops them.
type own struct {
	known map[place]struct{}
	order []place // the oldest is at next, once there are maxOwn
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
