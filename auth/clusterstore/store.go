package clusterstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/boreas-pubsub/boreas/v2/auth"
)

// A Store is the [auth.Store] of one authority. Create one with [Open].
type Store struct {
	// Immutable after Open.
	options  Options
	nc       *nats.Conn
	id       string // of this Store, in the messages that it sends
	stream   string
	log      string // begins the subjects of everything that is read in order:
	change   string // lines of Append
	note     string // lines of Note
	register string // the state of compaction
	marks    string // marks of this node
	chunks   string // begins the subjects of compacted lines
	changed  string // NATS tells here about each change that it has stored
	maxBytes int64  // of the lines
	pace     pace
	stop     context.CancelFunc
	watching sync.WaitGroup

	size atomic.Int64 // of the stream in bytes, as far as it is known

	// The following fields are used by Replay, Append, Note and Compaction, of which only one runs at
	// a time.
	logID      string    // of the stream's content
	position   uint64    // of the last line that the authority has
	lastChange uint64    // sequence of the last change that it has
	lastRead   place     // the last change that was read from the stream; those after it are by Append
	conflict   bool      // an Append was refused, so there is another change
	parts      []*part   // of a change of several messages that is not complete
	tail       int       // lines that were read or appended after those of the last compaction
	compaction register  // the last one that was read
	registered uint64    // its sequence
	claimSeen  time.Time // when it was read
	compactAt  time.Time // no compaction before

	mu        sync.Mutex
	cursor    uint64        // all messages up to this sequence were read
	target    uint64        // there is a message with this sequence
	raised    chan struct{} // closed when target grows
	proof     proof         // the mark that is not read yet, or the last one
	confirmed time.Time     // the time of the last mark that was read
	trouble   error         // of the last attempt to write a mark
	broken    error         // why nothing works any more
}

var (
	_ auth.Compactor = (*Store)(nil)
	_ auth.Fence     = (*Store)(nil)
)

// Open connects to the servers, and makes the stream if there is none. It tries until ctx ends.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	if o.Servers.Log == nil {
		o.Servers.Log = o.Logger
	}
	nc, err := o.Servers.Connect(ctx, "auth")
	if err != nil {
		return nil, err
	}
	s := &Store{
		options: o, nc: nc, id: newID(), stream: o.Servers.Stream("auth"),
		log: o.Servers.Subject("auth", "log"), chunks: o.Servers.Subject("auth", "lines"), changed: o.Servers.Subject("auth", "changed"),
		raised: make(chan struct{}), pace: usualPace(),
	}
	s.change, s.note, s.register, s.marks = s.log+".change", s.log+".note", s.log+".compaction", s.log+".mark."+o.Servers.Node
	if err := s.open(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := s.openStream(ctx); err != nil {
		return err
	}
	if err := s.openRegister(ctx); err != nil {
		return err
	}
	_, err := s.nc.Subscribe(s.changed, func(m *nats.Msg) {
		if m.Header.Get(storeHeader) != s.id {
			s.raise(sequence(m.Header, seqHeader))
		}
	})
	if err != nil {
		return err
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.watching.Go(func() { s.watch(ctx) })
	return nil
}

// Close implements [auth.Store].
func (s *Store) Close() error {
	s.stop()
	s.watching.Wait()
	s.nc.Close()
	return nil
}

// Ready implements [auth.Store].
func (s *Store) Ready() error {
	if err := s.Current(); err != nil {
		return err
	}
	return s.room()
}

// Current implements [auth.Fence]. It returns an error if the last proof that all lines were read is
// older than [StaleAfter].
func (s *Store) Current() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	switch {
	case time.Since(s.confirmed) <= StaleAfter:
		return nil
	case s.trouble != nil:
		return fmt.Errorf("%w: it has no proof that it knows all changes of tokens, keys and revocations: %w", ErrCutOff, s.trouble)
	default:
		return fmt.Errorf("%w: it has not read the last changes of tokens, keys and revocations", ErrCutOff)
	}
}

// fail makes the store refuse everything from now on.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = err
		close(s.raised)
		s.raised = make(chan struct{})
		s.options.Logger.Error("the tokens, keys and revocations of this node can no longer be trusted: it refuses all of them", "error", err)
	}
	return s.broken
}

// failure returns the argument of fail, or nil.
func (s *Store) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// replaced makes the store fail because the stream is another one.
func (s *Store) replaced(what string) error {
	return s.fail(fmt.Errorf("%w: %s. Stop all nodes, make sure that the stream %s is the right one, and start them again", ErrReplaced, what, s.stream))
}

// newID returns an ID that no other message or store has.
func newID() string { return rand.Text() }

// Headers of messages.
const (
	afterHeader = "Boreas-After" // sequence of the change before this one
	partHeader  = "Boreas-Part"  // "2/3": the second of three messages of one change
	storeHeader = "Boreas-Store" // id of the Store that sent it

	// By NATS, in messages that are read.
	seqHeader     = "Nats-Sequence"
	subjectHeader = "Nats-Subject"
	batchHeader   = "Nats-Batch-Id"
	batchSeq      = "Nats-Batch-Sequence"
	batchCommit   = "Nats-Batch-Commit"
)

// errGap means that changes between two messages are missing.
var errGap = errors.New("changes are missing")
