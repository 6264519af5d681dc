package boreastest_test

import (
	"context"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/boreastest"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A plant is a bug in modelNode.
type plant string

const (
	plantNothing    plant = ""
	plantLost       plant = "lost"
	plantUnread     plant = "lost for readers"
	plantDoubled    plant = "doubled"
	plantReordered  plant = "reordered at one node"
	plantPositions  plant = "positions of its own"
	plantEpochs     plant = "an epoch of its own"
	plantKeys       plant = "keys of its own"
	plantReused     plant = "a reused key is a duplicate at the other node"
	plantHead       plant = "head of a read before delivery"
	plantFollowHead plant = "head of a follower before delivery"
	plantAhead      plant = "ahead of a late node"
	plantOwn        plant = "acknowledged before it can be read"
	plantForgetful  plant = "a later node has no history"
	plantClose      plant = "close of one closes all"
	plantNoReset    plant = "no reset without publications"
	plantResetTwice plant = "reset twice"
	plantOldEpoch   plant = "old positions are accepted"
	plantBatch      plant = "positions of a batch"
	plantLimit      plant = "no limit of bytes"
	plantContext    plant = "an ended context breaks the engine"
	plantSender     plant = "no sender at the other node"
	plantLaterKeys  plant = "a later node has no keys"
	plantOldest     plant = "the oldest messages before a position"
	plantBefore     plant = "a position to read before is not awaited"
)

// modelPoll is how often a node looks for new publications, so that it is behind for a while.
const modelPoll = time.Millisecond

// modelStore is a store that several nodes share, in memory.
type modelStore struct {
	plant plant

	// Guarded by mu.
	mu      sync.Mutex
	epoch   uint64
	entries []modelEntry
	keys    map[string]int // by channel and key, the index of the entry
	nodes   []*modelNode
}

type modelEntry struct {
	channel string
	node    int // that published it
	pub     *engine.Publication
}

func newModelStore(p plant) *modelStore {
	return &modelStore{plant: p, epoch: 1, keys: make(map[string]int)}
}

// open opens a node.
func (s *modelStore) open() *modelNode {
	n := &modelNode{
		store: s, moved: make(chan struct{}), ending: make(chan struct{}), ended: make(chan struct{}),
		logs: make(map[string][]*engine.Publication), followers: make(map[string][]*modelFollower), keys: make(map[string]int),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.number, n.epoch = len(s.nodes), s.epoch
	if s.plant == plantForgetful {
		n.at = uint64(len(s.entries))
	}
	s.nodes = append(s.nodes, n)
	go n.tail()
	return n
}

// lose makes the store lose everything.
func (s *modelStore) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.entries, s.keys = nil, make(map[string]int)
}

func (s *modelStore) state() (epoch, last uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch, uint64(len(s.entries))
}

// append appends a message. Keys is where it looks for its key.
func (s *modelStore) append(node int, channel string, m engine.Message, keys map[string]int) (engine.Ack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if keys == nil {
		keys = s.keys
	}
	key := channel + "\n" + m.Key
	if i, ok := keys[key]; ok && m.Key != "" {
		p := s.entries[i].pub
		if string(p.Data) != string(m.Data) && s.plant != plantReused {
			return engine.Ack{}, engine.ErrKeyReused
		}
		return engine.Ack{Position: engine.Position{Epoch: s.epoch, Offset: p.Offset}, Duplicate: true}, nil
	}
	p := &engine.Publication{Offset: uint64(len(s.entries)) + 1, Time: time.Now().UnixNano(), Data: m.Data, Sender: m.Sender}
	keys[key] = len(s.entries)
	s.entries = append(s.entries, modelEntry{channel, node, p})
	return engine.Ack{Position: engine.Position{Epoch: s.epoch, Offset: p.Offset}}, nil
}

// modelNode is one engine on a modelStore. It learns of publications some time after they were made,
// also of its own.
type modelNode struct {
	store          *modelStore
	number         int
	ending, ended  chan struct{}
	closing        sync.Once
	keys           map[string]int // of plantKeys, guarded by the store's mu
	plantedContext bool           // guarded by mu

	// Guarded by mu.
	mu        sync.Mutex
	epoch, at uint64
	logs      map[string][]*engine.Publication
	followers map[string][]*modelFollower
	moved     chan struct{} // closed when at changes
}

type modelFollower struct{ engine.Follower }

// tail applies the lines of the store, until the node is closed.
func (n *modelNode) tail() {
	defer close(n.ended)
	ticker := time.NewTicker(modelPoll)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			n.catchUp()
		case <-n.ending:
			return
		}
	}
}

func (n *modelNode) catchUp() {
	n.store.mu.Lock()
	epoch, all := n.store.epoch, n.store.entries
	n.store.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if epoch != n.epoch {
		n.reset(epoch)
	}
	next := slices.Clone(all[min(n.at, uint64(len(all))):])
	if n.store.plant == plantReordered && n.number == 1 && len(next) > 1 {
		next[0], next[1] = next[1], next[0]
	}
	for _, e := range next {
		n.apply(e)
	}
	if len(next) > 0 {
		n.at = uint64(len(all))
		close(n.moved)
		n.moved = make(chan struct{})
	}
}

func (n *modelNode) reset(epoch uint64) {
	n.epoch, n.at = epoch, 0
	for _, channel := range slices.Sorted(maps.Keys(n.followers)) {
		for _, f := range n.followers[channel] {
			if n.store.plant == plantNoReset && n.logs[channel] == nil {
				f.Reset(engine.Position{}, errLost)
				continue
			}
			f.Reset(engine.Position{Epoch: epoch}, errLost)
			if n.store.plant == plantResetTwice {
				f.Reset(engine.Position{Epoch: epoch}, errLost)
			}
		}
	}
	n.logs = make(map[string][]*engine.Publication)
}

func (n *modelNode) apply(e modelEntry) {
	p := *e.pub
	switch other := n.number > 0; {
	case n.store.plant == plantPositions && other:
		p.Offset += 100
	case n.store.plant == plantUnread && p.Offset%10 == 3:
		return
	}
	if e.node != n.number && n.store.plant != plantSender {
		p.Sender = 0
	}
	n.logs[e.channel] = append(n.logs[e.channel], &p)
	for _, f := range n.followers[e.channel] {
		switch planted := p.Offset%10 == 3; {
		case n.store.plant == plantLost && planted:
			continue
		case n.store.plant == plantDoubled && planted:
			f.Deliver(&p)
		}
		f.Deliver(&p)
	}
}

// wait waits until the node moves.
func (n *modelNode) wait(ctx context.Context, moved chan struct{}) error {
	select {
	case <-moved:
		return nil
	case <-n.ending:
		return engine.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *modelNode) isClosed() bool {
	select {
	case <-n.ending:
		return true
	default:
		return false
	}
}

// reach waits until the node has applied a position.
func (n *modelNode) reach(ctx context.Context, p engine.Position) error {
	for {
		n.mu.Lock()
		there, moved := n.epoch > p.Epoch || n.epoch == p.Epoch && n.at >= p.Offset, n.moved
		n.mu.Unlock()
		if there || n.store.plant == plantOwn {
			return nil
		}
		if err := n.wait(ctx, moved); err != nil {
			return err
		}
	}
}

// position returns a position of this node.
func (n *modelNode) position(offset uint64) engine.Position {
	p := engine.Position{Epoch: n.epoch, Offset: offset}
	if n.store.plant == plantEpochs {
		p.Epoch += uint64(n.number)
	}
	return p
}

// Publish implements [engine.Engine].
func (n *modelNode) Publish(ctx context.Context, channel string, m engine.Message) (engine.Ack, error) {
	if n.isClosed() {
		return engine.Ack{}, engine.ErrClosed
	}
	var keys map[string]int
	if p := n.store.plant; p == plantKeys || p == plantLaterKeys && n.number > 1 {
		keys = n.keys
	}
	ack, err := n.store.append(n.number, channel, m, keys)
	if err != nil {
		return ack, err
	}
	if err := n.reach(ctx, ack.Position); err != nil {
		return engine.Ack{}, err
	}
	if n.store.plant == plantEpochs {
		ack.Position.Epoch += uint64(n.number)
	}
	return ack, nil
}

// PublishMany implements [engine.Batcher].
func (n *modelNode) PublishMany(ctx context.Context, items []engine.Item) []engine.Result {
	results := make([]engine.Result, len(items))
	for i, item := range items {
		runtime.Gosched() // other nodes publish meanwhile
		results[i].Ack, results[i].Err = n.store.append(n.number, item.Channel, item.Message, nil)
	}
	for i, r := range results {
		if n.store.plant == plantBatch { // the store acknowledges the whole batch only
			results[i].Ack.Position.Offset = results[len(items)-1].Ack.Position.Offset
		}
		if r.Err == nil {
			results[i].Err = n.reach(ctx, r.Ack.Position)
		}
	}
	return results
}

// Follow implements [engine.Engine].
func (n *modelNode) Follow(ctx context.Context, channel string, to engine.Follower) (engine.Position, func(), error) {
	if n.isClosed() {
		return engine.Position{}, nil, engine.ErrClosed
	}
	f := &modelFollower{to}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.store.plant == plantContext && ctx.Err() != nil {
		n.plantedContext = true
	}
	head := n.position(n.at)
	if n.store.plant == plantFollowHead {
		_, head.Offset = n.store.state()
	}
	n.followers[channel] = append(n.followers[channel], f)
	return head, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.followers[channel] = slices.DeleteFunc(n.followers[channel], func(o *modelFollower) bool { return o == f })
	}, nil
}

// Read implements [engine.Engine].
func (n *modelNode) Read(ctx context.Context, channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	for {
		if n.isClosed() {
			return engine.History{}, engine.ErrClosed
		}
		epoch, last := n.store.state()
		n.mu.Lock()
		h, err := n.view(channel, since, limit)
		wanted := since.Offset
		if limit.Before != math.MaxUint64 && n.store.plant != plantBefore {
			wanted = max(wanted, limit.Before)
		}
		late, moved := epoch != n.epoch || wanted > n.at && wanted <= last && err == engine.ErrAhead, n.moved
		if n.plantedContext {
			h, late = engine.History{Floor: h.Floor, Head: h.Head}, false
		}
		n.mu.Unlock()
		if !late || n.store.plant == plantAhead {
			if n.store.plant == plantHead {
				h.Head.Offset = last
			}
			return h, err
		}
		if err := n.wait(ctx, moved); err != nil {
			return engine.History{}, err
		}
	}
}

// view reads the node's state. The caller holds mu.
func (n *modelNode) view(channel string, since engine.Position, limit engine.Limit) (engine.History, error) {
	h := engine.History{Floor: n.position(0), Head: n.position(n.at)}
	switch {
	case since.IsZero():
	case since.Epoch != h.Head.Epoch && n.store.plant != plantOldEpoch:
		return h, engine.ErrUnknownEpoch
	case since.Offset > n.at:
		return h, engine.ErrAhead
	}
	if limit.Before > n.at && limit.Before != math.MaxUint64 {
		return h, engine.ErrAhead
	}
	pubs := engine.After(n.logs[channel], since.Offset)
	switch {
	case n.store.plant == plantLimit:
		limit.Bytes = 0
	case n.store.plant == plantOldest && limit.Before > 0:
		pubs, _ = boreastest.Cut(pubs, engine.Limit{Messages: len(pubs), Before: limit.Before})
		limit.Before = 0
	}
	h.Publications, h.More = boreastest.Cut(pubs, limit)
	return h, nil
}

// Close implements [engine.Engine].
func (n *modelNode) Close() error {
	n.closing.Do(func() { close(n.ending) })
	<-n.ended
	if n.store.plant == plantClose {
		for _, other := range n.store.nodes {
			other.closing.Do(func() { close(other.ending) })
		}
	}
	return nil
}
