package nodes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Errors of [Group.AskOne].
var (
	ErrNotAlive = errors.New("the node is not alive")
	ErrSilent   = errors.New("the node does not answer")

	// ErrStarting means that the node has joined the cluster just now, and does not answer yet.
	ErrStarting = fmt.Errorf("%w yet, because it has just started", ErrSilent)
)

// asks are the questions of this node that wait for answers.
type asks struct {
	g     *Group
	turns chan struct{} // has a value for each question

	mu      sync.Mutex // guards the fields below, and the questions
	next    uint64
	waiting map[uint64]*ask
	held    int // bytes of all parts of answers
}

// ask is one question.
type ask struct {
	waiting map[string]*parts // by the name of the node
	answers map[string][]byte
	silent  []string
	held    int
	done    chan struct{} // closed when no node is waited for
}

// parts are the parts of an answer that have come.
type parts struct {
	incarnation string
	starting    bool     // the node does not need to answer yet
	content     [][]byte // by number; nil until the first part is there
	missing     int
	size        int
}

func (a *asks) init(g *Group) {
	a.g, a.turns, a.waiting = g, make(chan struct{}, maxAsks), make(map[uint64]*ask)
}

// Ask asks all other nodes that are alive. It returns when all of them have answered, after
// [AskTimeout], or when ctx ends. Silent are the names of the nodes that did not answer; see the
// package's documentation. Both results are never nil.
func (g *Group) Ask(ctx context.Context, kind string, question []byte) (answers map[string][]byte, silent []string) {
	return g.asks.ask(ctx, g.members.alive(), kind, question)
}

// AskOne asks one node. Errors: [ErrNotAlive], [ErrSilent], [ErrStarting].
func (g *Group) AskOne(ctx context.Context, name, kind string, question []byte) ([]byte, error) {
	for _, n := range g.members.alive() {
		if n.Name != name {
			continue
		}
		answers, _ := g.asks.ask(ctx, []Node{n}, kind, question)
		if content, ok := answers[name]; ok {
			return content, nil
		}
		if n.starting() {
			return nil, fmt.Errorf("%w: %q", ErrStarting, name)
		}
		return nil, fmt.Errorf("%w: %q", ErrSilent, name)
	}
	return nil, fmt.Errorf("%w: %q", ErrNotAlive, name)
}

func (a *asks) ask(ctx context.Context, to []Node, kind string, content []byte) (answers map[string][]byte, silent []string) {
	q := &ask{waiting: make(map[string]*parts), answers: make(map[string][]byte), silent: []string{}, done: make(chan struct{})}
	for _, n := range to {
		q.waiting[n.Name] = &parts{incarnation: n.Incarnation, starting: n.starting()}
	}
	if len(to) == 0 {
		return q.answers, q.silent
	}
	ended := ctx
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	if a.turn(ctx) {
		id := a.begin(q)
		a.send(ctx, id, to, kind, content)
		select {
		case <-q.done:
		case <-ctx.Done():
		case <-a.g.ctx.Done():
		}
		a.end(id, q)
		<-a.turns
	}
	for _, name := range slices.Sorted(maps.Keys(q.waiting)) {
		q.silent = append(q.silent, name)
		if ended.Err() == nil && a.g.ctx.Err() == nil {
			a.log("silent", name, q.waiting[name], "a node does not answer in time: results do not include it", "question", kind, "timeout", AskTimeout)
		}
	}
	slices.Sort(q.silent)
	return q.answers, q.silent
}

// turn waits until there is room for one more question. It returns false if ctx or the group ends
// first.
func (a *asks) turn(ctx context.Context) bool {
	select {
	case a.turns <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-a.g.ctx.Done():
	}
	return false
}

func (a *asks) begin(q *ask) (id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	a.waiting[a.next] = q
	return a.next
}

// end ends a question. Answers that come later have no effect.
func (a *asks) end(id uint64, q *ask) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, id)
	a.held -= q.held
}

func (a *asks) send(ctx context.Context, id uint64, to []Node, kind string, content []byte) {
	if limit := min(MaxQuestion, a.g.partSize()); len(content) > limit {
		a.failAll(id, fmt.Sprintf("the question has %d bytes, and %d are allowed", len(content), limit))
		return
	}
	wait := AskTimeout
	if until, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(until))
	}
	message := encode(question{V: wireVersion, ID: id, From: a.g.name, Incarnation: a.g.incarnation, Kind: kind, Wait: wait.Milliseconds()}, content)
	for _, n := range to {
		if err := a.g.bus.publish(a.g.subject("ask", n.Name, n.Incarnation), message); err != nil {
			a.failAll(id, err.Error())
			return
		}
	}
}

func (a *asks) failAll(id uint64, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q := a.waiting[id]; q != nil {
		for name := range q.waiting {
			a.fail(q, name, reason)
		}
	}
}

// answered handles a part of an answer.
func (a *asks) answered(_ string, data []byte) {
	var head answer
	content, err := decode(data, &head)
	if err != nil || head.V != wireVersion {
		if a.g.log.due("answer", "") {
			a.g.log.Warn("an answer of another node cannot be read: update the older of the two nodes", "from", head.From, "v", head.V, "error", err)
		}
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.waiting[head.ID]
	if q == nil {
		return
	}
	p := q.waiting[head.From]
	if p == nil || p.incarnation != head.Incarnation {
		return
	}
	if head.Failed != "" {
		a.fail(q, head.From, head.Failed)
		return
	}
	if p.content == nil && head.Parts > 0 && head.Parts <= MaxAnswer/minPart+1 {
		p.content, p.missing = make([][]byte, head.Parts), head.Parts
	}
	switch {
	case head.Parts <= 0 || head.Parts != len(p.content) || head.Part < 0 || head.Part >= head.Parts:
		a.fail(q, head.From, "the parts of its answer do not fit together")
	case p.content[head.Part] != nil: // it came twice
	case p.size+len(content) > MaxAnswer:
		a.fail(q, head.From, fmt.Sprintf("its answer is larger than %d bytes", MaxAnswer))
	case a.held+len(content) > maxHeld:
		a.fail(q, head.From, fmt.Sprintf("this node holds %d bytes of answers and has no room for more", a.held))
	default:
		p.content[head.Part] = content
		p.missing--
		p.size += len(content)
		a.held += len(content)
		q.held += len(content)
		if p.missing == 0 {
			q.answers[head.From] = bytes.Join(p.content, nil)
			q.remove(head.From)
		}
	}
}

// ended handles the end of a node: it will not answer.
func (a *asks) ended(n Node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.waiting {
		if p := q.waiting[n.Name]; p != nil && p.incarnation == n.Incarnation {
			a.fail(q, n.Name, "it has left the cluster, or cannot be reached any more")
		}
	}
}

// fail records that a node does not answer a question, and why. The caller holds mu.
func (a *asks) fail(q *ask, name, reason string) {
	p := q.waiting[name]
	q.silent = append(q.silent, name)
	q.remove(name)
	a.log("failed", name, p, "a node does not answer: results do not include it", "reason", reason)
}

// log logs that a node does not answer. This is no problem while the node starts.
func (a *asks) log(problem, name string, p *parts, text string, args ...any) {
	args = append([]any{"node", name}, args...)
	switch {
	case !p.starting && a.g.log.due(problem, name):
		a.g.log.Warn(text, args...)
	case p.starting && a.g.log.due(problem+", starting", name):
		a.g.log.Info("a node that has just started does not answer yet: results do not include it", args...)
	}
}

// remove stops the wait for a node. The caller holds asks.mu.
func (q *ask) remove(name string) {
	delete(q.waiting, name)
	if len(q.waiting) == 0 {
		close(q.done)
	}
}
