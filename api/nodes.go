package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// This file is about the other nodes of a cluster: how a request asks them, and how its answer says
// which of them did not answer.

// Nodes are the other nodes of a cluster.
type Nodes interface {
	// Names returns the names of the other live nodes.
	Names() []string

	// Handle sets the function that answers questions of a kind from other nodes. It returns nil if
	// it cannot answer.
	Handle(kind string, answer func(ctx context.Context, question []byte) []byte)

	// Ask asks all other live nodes. It returns their answers by the name of the node, and the names
	// of the nodes that did not answer. It waits for about a second at most.
	Ask(ctx context.Context, kind string, question []byte) (answers map[string][]byte, silent []string)
}

// A NodeLister is a [Nodes] that describes the nodes, for GET /v2/nodes.
type NodeLister interface {
	// List describes the live nodes, also this one.
	List() []NodeInfo
}

// A NodePeers is a [Nodes] that knows which nodes the cluster should have, for GET /v2/nodes.
type NodePeers interface {
	// Peers returns the names of all nodes of the cluster, or nil if they are not known.
	Peers() []string
}

// NodeInfo describes a live node.
type NodeInfo struct {
	Name    string
	Version string    // "" if unknown
	Since   time.Time // when it started, or when this node noticed it; zero if unknown
}

// A NodeLoser is a [Nodes] that remembers for a while which nodes it has lost. A node that is cut
// off from the others still has its sessions for a time. So all answers name it as silent.
type NodeLoser interface {
	// Lost returns the names of the nodes that are not live any more, did not leave in order, and may
	// still have sessions.
	Lost() []string
}

// maxNodeAnswer is the largest answer of another node that is read, in bytes. It has room for a page
// of 1000 sessions with the longest names.
const maxNodeAnswer = 8 << 20

// badAnswerLogged is the minimum time between two log records about answers that cannot be read. A
// node of another version may give one to each request.
const badAnswerLogged = time.Minute

// answered says which nodes a result includes. Its zero value belongs to a server without a cluster.
type answered struct {
	nodes  int      // how many answered, with this one; 0 without a cluster
	silent []string // those that did not, sorted
}

// append appends the member "nodes" to an object that has at least one member, before its closing
// brace. Without a cluster it appends nothing.
func (a answered) append(dst []byte) []byte {
	if a.nodes == 0 {
		return dst
	}
	return appendJSON(append(dst, `,"nodes":`...), a.json())
}

// answeredJSON is the member "nodes".
type answeredJSON struct {
	Answered int      `json:"answered"`
	Silent   []string `json:"silent"`
}

// json returns the member, or nil without a cluster.
func (a answered) json() *answeredJSON {
	if a.nodes == 0 {
		return nil
	}
	return &answeredJSON{a.nodes, append([]string{}, a.silent...)}
}

// without returns a if the node answered; otherwise an error that names the silent nodes.
func (a answered) without(node string) error {
	if !slices.Contains(a.silent, node) {
		return nil
	}
	return fault.NodeSilent.With("Nodes of the cluster that did not answer: " + strings.Join(a.silent, ", ") + ".")
}

// alone returns what answered is if only this node was asked.
func (s *service) alone() answered {
	if s.options.Nodes == nil {
		return answered{}
	}
	return answered{nodes: 1}
}

// ask asks the other nodes, and reads their answers. An answer that read refuses counts as none.
// Without a cluster it returns no answers.
func ask[Q, A any](ctx context.Context, s *service, kind string, q Q, read func(node string, a *A) error) (map[string]*A, answered) {
	if s.options.Nodes == nil {
		return nil, answered{}
	}
	question, _ := json.Marshal(q) // cannot fail: q has texts and numbers
	texts, silent := s.options.Nodes.Ask(ctx, kind, question)
	silent = slices.Clone(silent)
	if l, ok := s.options.Nodes.(NodeLoser); ok {
		silent = append(silent, l.Lost()...)
	}
	found := make(map[string]*A)
	for node, text := range texts {
		a, err := readAnswer[A](node, kind, text)
		if err == nil && read != nil {
			err = read(node, a)
		}
		if err == nil && node == s.options.Node {
			err = errors.New("the node has the name of this one")
		}
		if err != nil {
			s.badAnswers.log(s, node, kind, err)
			silent = append(silent, node)
			continue
		}
		found[node] = a
	}
	silent = slices.DeleteFunc(silent, func(node string) bool { return found[node] != nil || node == s.options.Node })
	slices.Sort(silent)
	return found, answered{1 + len(found), slices.Compact(silent)}
}

// readAnswer reads an answer of another node. It ignores unknown members, which a later version may
// have, but not a missing one: it would count as a node without sessions.
func readAnswer[A any](node, kind string, text []byte) (*A, error) {
	if len(text) > maxNodeAnswer {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(text), maxNodeAnswer)
	}
	if !boreas.ValidNode(node) {
		return nil, errors.New("the node's name is not valid")
	}
	var members map[string]json.RawMessage
	a := new(A)
	if err := errors.Join(json.Unmarshal(text, &members), json.Unmarshal(text, a)); err != nil {
		return nil, fmt.Errorf("it is not in the expected form: %w", err)
	}
	member := answerMembers[kind]
	if value := members[member]; value == nil || string(value) == "null" && kind != askSession {
		return nil, fmt.Errorf("it has no member %q", member)
	}
	return a, nil
}

// badAnswers logs answers that cannot be read, not too often.
type badAnswers struct {
	mu   sync.Mutex
	last time.Time
}

func (b *badAnswers) log(s *service, node, kind string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.last.IsZero() || now.Sub(b.last) >= badAnswerLogged {
		b.last = now
		s.options.Log.Warn("the answer of another node cannot be used, so results do not include it: use the same version on all nodes", "node", node, "question", kind, "error", err)
	}
}

// handle sets the function that answers questions of a kind. Their form is Q.
func handle[Q any](s *service, kind string, answer func(ctx context.Context, q *Q) (any, error)) {
	s.options.Nodes.Handle(kind, func(ctx context.Context, question []byte) []byte {
		q := new(Q)
		err := json.Unmarshal(question, q)
		var a any
		if err == nil {
			a, err = answer(ctx, q)
		}
		if err != nil {
			s.badAnswers.log(s, "", kind, fmt.Errorf("a question of another node was not answered: %w", err))
			return nil
		}
		return appendJSON(nil, a)
	})
}

// handleNodes begins to answer the questions of other nodes.
func (s *service) handleNodes() {
	if s.options.Nodes == nil {
		return
	}
	handle(s, askSessions, s.answerSessions)
	handle(s, askTopSessions, s.answerTopSessions)
	handle(s, askSession, s.answerSession)
	handle(s, askEnd, s.answerEnd)
	handle(s, askChannels, s.answerChannels)
	handle(s, askTopChannels, s.answerTopChannels)
	handle(s, askSubscribers, s.answerSubscribers)
	handle(s, askIdentities, s.answerIdentities)
	handle(s, askStats, s.answerStats)
	handle(s, askApply, s.answerApply)
	handle(s, askTail, s.answerTail)
	handle(s, askTrace, s.answerTrace)
	handle(s, askPurge, s.answerPurge)
}

// The kinds of questions.
const (
	askSessions    = "sessions"     // a page of the sessions
	askTopSessions = "top-sessions" // the first sessions in another order
	askSession     = "session"      // one session
	askEnd         = "end"          // ends a session
	askChannels    = "channels"     // a page of the channels with their subscribers
	askTopChannels = "top-channels" // the channels with the most subscribers, and the subscribers of others
	askSubscribers = "subscribers"  // the subscribers of a channel
	askIdentities  = "identities"   // the identities of all sessions, or of those on a channel
	askStats       = "stats"
	askApply       = "apply" // applies a change of tokens to the sessions
	askTail        = "tail"  // the events since the last question of the same watch
	askTrace       = "trace" // which sessions have a message
	askPurge       = "purge" // removes purged messages from the tail
)

// answerMembers are the required members of the answers, by kind.
var answerMembers = map[string]string{
	askSessions: "sessions", askTopSessions: "sessions", askSession: "session", askEnd: "ended", askChannels: "channels", askTopChannels: "channels",
	askSubscribers: "subscribers", askIdentities: "identities", askStats: "stats", askApply: "sessions", askTail: "events", askTrace: "subscribers", askPurge: "purged",
}

// listNodes describes the live nodes, as this node sees them.
func (s *service) listNodes(dst []byte, _ http.ResponseWriter, _ *http.Request, _ query) ([]byte, int, error) {
	if s.options.Nodes == nil {
		return append(dst, `{"live":[]}`...), http.StatusOK, nil
	}
	byName := map[string]NodeInfo{s.options.Node: {Name: s.options.Node}}
	for _, name := range s.options.Nodes.Names() {
		byName[name] = NodeInfo{Name: name}
	}
	if l, ok := s.options.Nodes.(NodeLister); ok {
		for _, n := range l.List() {
			byName[n.Name] = n
		}
	}
	live := slices.SortedFunc(maps.Values(byName), func(a, b NodeInfo) int { return cmp.Compare(a.Name, b.Name) })
	dst = appendString(append(dst, `{"node":`...), s.options.Node)
	dst = append(dst, `,"live":[`...)
	for i, n := range live {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSON(dst, nodeJSON{n.Name, n.Version, timeJSON(n.Since)})
	}
	dst = append(dst, ']')
	if p, ok := s.options.Nodes.(NodePeers); ok && p.Peers() != nil {
		dst = appendJSON(append(dst, `,"peers":`...), p.Peers())
	}
	return append(dst, '}'), http.StatusOK, nil
}

// nodeJSON is a node in the API's format.
type nodeJSON struct {
	Node    string  `json:"node"`
	Version string  `json:"version,omitempty"`
	Since   *string `json:"since,omitempty"`
}
