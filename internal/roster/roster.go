package roster

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/internal/nodes"
)

const (
	// maxQueue is how many changes wait to be told to the other nodes. If there are more, none of them
	// is told, and the others take snapshots, which cost less than so many changes.
	maxQueue = 64 << 10

	// maxKept is how many changes a node keeps while it takes a snapshot. If there are more, the
	// snapshot is taken again.
	maxKept = 64 << 10

	// pageSize is the size of a page of a snapshot in bytes. JSON may need more for some characters; a
	// page of this size stays well below NATS's limit for a message.
	pageSize = 384 << 10

	// maxPages is the maximum number of pages of a snapshot. It allows boreas.MaxNodePlaces sessions of
	// the largest size.
	maxPages = 8 << 10

	// snapshotInterval is the minimum time between two snapshots of one node. Otherwise an overloaded
	// node that misses changes would get more load from snapshots.
	snapshotInterval = time.Second

	// maxPause is the longest pause before a snapshot is tried again that has failed or has not helped.
	maxPause = time.Minute

	// maxOthers is how many other nodes are remembered, including those that have ended. It is above
	// the number of nodes that a group has.
	maxOthers = 256
)

// questionKind is the kind of the questions for pages of snapshots.
const questionKind = "presence"

// A Group carries contents and questions between nodes. [nodes.Group] is one.
type Group interface {
	Incarnation() string
	Watch(w nodes.Watcher)
	Tell(content []byte) error
	Handle(kind string, answer func(ctx context.Context, question []byte) []byte)
	AskOne(ctx context.Context, name, kind string, question []byte) ([]byte, error)
}

// A Roster connects the presence of a hub with that of the other nodes. Create it with [New].
type Roster struct {
	log     *slog.Logger
	own     own
	hub     *boreas.Hub // immutable after Start, like group
	group   Group
	ctx     context.Context // ends at the beginning of Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	others map[string]*other // by name; guarded by mu
}

// New returns a roster that is not connected yet. Its Changed belongs into the options of the hub.
// The log receives what an operator should know; nil discards it.
func New(log *slog.Logger) *Roster {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Roster{log: log, others: make(map[string]*other)}
	r.own.init(log)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Changed is [boreas.Options.PresenceChanged].
func (r *Roster) Changed(c boreas.PresenceChange) { r.own.changed(c) }

// Start connects the hub with the other nodes of the group.
func (r *Roster) Start(hub *boreas.Hub, group Group) {
	r.hub, r.group = hub, group
	r.own.start()
	group.Handle(questionKind, r.answer)
	r.running.Go(func() { r.own.tell(r.ctx, group) })
	group.Watch(watcher{r})
}

// Close disconnects the hub from the other nodes. Their sessions stay present.
func (r *Roster) Close() {
	r.cancel()
	if r.group != nil {
		r.group.Watch(nil)
	}
	r.running.Wait()
}

// question asks for a page of a snapshot.
type question struct {
	V     int    `json:"v"`
	After string `json:"after,omitempty"` // the Next of the page before
}

// page is a page of a snapshot.
type page struct {
	V           int                     `json:"v"`
	Incarnation string                  `json:"incarnation"`
	Number      uint64                  `json:"number"` // of a change; the page shows all changes up to it
	Sessions    []boreas.PresenceChange `json:"sessions"`
	Next        string                  `json:"next,omitempty"` // "" on the last page
}

// wireVersion is the version of questions and pages.
const wireVersion = 1

// answer answers a question of another node.
func (r *Roster) answer(ctx context.Context, text []byte) []byte {
	var q question
	if err := json.Unmarshal(text, &q); err != nil || q.V != wireVersion || ctx.Err() != nil {
		return nil
	}
	p := page{V: wireVersion, Incarnation: r.group.Incarnation(), Number: r.own.newest()} // before the sessions
	var err error
	if p.Sessions, p.Next, err = r.hub.OwnPresence(q.After, pageSize); err != nil {
		r.log.Warn("another node asks for sessions in a way that this one does not know: update the older of the two nodes", "error", err)
		return nil
	}
	text, err = json.Marshal(p)
	if err != nil {
		panic(err) // the hub has checked all infos
	}
	return text
}

// watcher is the [nodes.Watcher] of a roster.
type watcher struct{ *Roster }

func (r watcher) Digest() json.RawMessage { return r.own.beat() }

func (r watcher) Joined(n nodes.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.others[n.Name]
	if o == nil || o.incarnation != n.Incarnation {
		if o != nil && !o.ended() {
			o.end() // the node has restarted
		}
		if len(r.others) >= maxOthers {
			r.forget()
		}
		o = &other{r: r.Roster, name: n.Name, incarnation: n.Incarnation, hub: r.hub.OtherNode(n.Name)}
		r.others[n.Name] = o
	}
	o.joined()
}

// forget forgets the nodes that have ended. The caller holds mu.
func (r watcher) forget() {
	for name, o := range r.others {
		if o.ended() {
			delete(r.others, name)
		}
	}
}

func (r watcher) Ended(n nodes.Node) {
	if o := r.find(n); o != nil {
		o.end()
	}
}

func (r watcher) Told(n nodes.Node, content []byte) {
	var b batch
	if err := json.Unmarshal(content, &b); err != nil {
		r.log.Warn("changes of presence of another node cannot be read: update the older of the two nodes", "node", n.Name, "error", err)
		return
	}
	if o := r.find(n); o != nil {
		o.told(b)
	}
}

func (r watcher) Beat(n nodes.Node, text json.RawMessage) {
	var d digest
	if err := json.Unmarshal(text, &d); err != nil {
		return // a later version; Told and the pages report it
	}
	if o := r.find(n); o != nil {
		o.beat(d)
	}
}

// find returns the other node, or nil if it is unknown.
func (r watcher) find(n nodes.Node) *other {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.others[n.Name]; o != nil && o.incarnation == n.Incarnation {
		return o
	}
	return nil
}
