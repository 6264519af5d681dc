package nodes

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
	"github.com/boreas-pubsub/boreas/v2/internal/clock"
	"github.com/boreas-pubsub/boreas/v2/internal/panics"
)

// A handler answers questions of other nodes.
type handler = func(ctx context.Context, question []byte) []byte

// handlers answer the questions of other nodes, each on a goroutine of its own.
type handlers struct {
	g    *Group
	busy chan struct{} // has a value for each question that is being answered

	mu      sync.Mutex // guards the fields below
	byKind  map[string]handler
	added   chan struct{} // closed when byKind gets a further handler
	stopped bool
	running sync.WaitGroup // Add only with mu held, and not after stop
}

func (h *handlers) init(g *Group) {
	h.g, h.busy, h.byKind = g, make(chan struct{}, maxHandlers), make(map[string]handler)
	h.added = make(chan struct{})
}

// Handle sets the function that answers the questions of a kind. The function must return when its
// ctx ends, which is at most [AskTimeout] after the question came. It returns nil if it cannot answer;
// the asking node then counts this node as silent. It may be called by many goroutines at once.
func (g *Group) Handle(kind string, answer func(ctx context.Context, question []byte) []byte) {
	g.handlers.mu.Lock()
	defer g.handlers.mu.Unlock()
	g.handlers.byKind[kind] = answer
	close(g.handlers.added)
	g.handlers.added = make(chan struct{})
}

// stop stops the handling of further questions. It reports whether it was called for the first time.
func (h *handlers) stop() (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first = !h.stopped
	h.stopped = true
	return first
}

// wait stops the handling, and waits for the handlers that run.
func (h *handlers) wait() {
	h.stop()
	h.running.Wait()
}

// questioned handles a question.
func (h *handlers) questioned(_ string, data []byte) {
	var q question
	content, err := decode(data, &q)
	if err != nil || q.V != wireVersion || !validIncarnation(q.Incarnation) || !validName(q.From) {
		if h.g.log.due("question", "") {
			h.g.log.Warn("a question of another node cannot be read: update the older of the two nodes", "from", q.From, "v", q.V, "error", err)
		}
		return
	}
	select {
	case h.busy <- struct{}{}:
	default:
		if h.g.log.due("busy", "") {
			h.g.log.Warn("other nodes ask more than this node can answer at once: it answers that it is busy", "answering", maxHandlers, "from", q.From)
		}
		h.refuse(q, fmt.Sprintf("it is busy: it answers %d other questions", maxHandlers))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		<-h.busy
		return
	}
	h.running.Go(func() {
		defer func() { <-h.busy }()
		h.answer(q, content)
	})
}

// find returns the handler of a kind, or nil. If the node has just started, find waits for the handler
// until ctx ends, because the others may ask as soon as they have heard the first beat.
func (h *handlers) find(ctx context.Context, kind string) handler {
	for {
		h.mu.Lock()
		answer, added := h.byKind[kind], h.added
		h.mu.Unlock()
		if answer != nil || clock.Now().Sub(h.g.joined) > startTime {
			return answer
		}
		select {
		case <-added:
		case <-ctx.Done():
			return nil
		}
	}
}

// answer answers a question.
func (h *handlers) answer(q question, content []byte) {
	wait := min(max(time.Duration(q.Wait)*time.Millisecond, 0), AskTimeout)
	ctx, cancel := context.WithTimeout(h.g.ctx, wait)
	defer cancel()
	answer := h.find(ctx, q.Kind)
	if answer == nil {
		reason := fmt.Sprintf("it does not know questions of the kind %q", q.Kind)
		if ctx.Err() != nil { // find has waited
			reason = "it is starting"
		}
		h.refuse(q, reason)
		return
	}
	result := h.call(ctx, q, answer, content)
	switch {
	case ctx.Err() != nil: // nobody waits for it
	case result == nil:
		h.refuse(q, "it could not answer; its log may have the reason")
	case len(result) > MaxAnswer:
		h.refuse(q, fmt.Sprintf("its answer has %d bytes, and %d are allowed", len(result), MaxAnswer))
	default:
		h.reply(q, result)
	}
}

// call calls a handler. It returns nil if the handler panics.
func (h *handlers) call(ctx context.Context, q question, answer handler, content []byte) (result []byte) {
	defer func() {
		if v := recover(); v != nil {
			err := panics.Caught(v)
			h.g.log.Error("a question of another node caused a panic", "kind", q.Kind, "from", q.From, "error", err, "stack", string(err.Stack))
			result = nil
		}
	}()
	return answer(ctx, content)
}

// reply sends an answer in parts.
func (h *handlers) reply(q question, result []byte) {
	size := h.g.partSize()
	count := max(1, (len(result)+size-1)/size)
	for part := range count {
		end := min(len(result), (part+1)*size)
		if !h.send(q, answer{Part: part, Parts: count}, result[part*size:end]) {
			return
		}
	}
}

// refuse tells the asking node why it gets no answer.
func (h *handlers) refuse(q question, reason string) {
	h.send(q, answer{Failed: reason, Parts: 1}, nil)
}

func (h *handlers) send(q question, head answer, content []byte) bool {
	head.V, head.ID, head.From, head.Incarnation = wireVersion, q.ID, h.g.name, h.g.incarnation
	err := h.g.bus.publish(h.g.subject("answer", q.From, q.Incarnation), encode(head, content))
	if err != nil && h.g.log.due("reply", q.From) {
		h.g.log.Warn("an answer to another node could not be sent: it counts this node as silent", "node", q.From, "kind", q.Kind, "error", err)
	}
	return err == nil
}

// validName reports whether the text can be the name of a node: it stands for itself in a subject.
func validName(text string) bool { return text != "" && natsconn.Encode(text) == text }

// partSize returns the maximum length of the content of one message.
func (g *Group) partSize() int { return max(minPart, min(partSize, g.bus.maxPayload()-maxHead)) }
