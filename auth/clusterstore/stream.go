package clusterstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// config is the configuration of a stream, as far as the store sets or checks it.
type config struct {
	Name        string            `json:"name"`
	Subjects    []string          `json:"subjects"`
	Retention   string            `json:"retention"`
	Storage     string            `json:"storage"`
	Replicas    int               `json:"num_replicas"`
	MaxConsumer int               `json:"max_consumers"`
	MaxMsgs     int64             `json:"max_msgs"`
	MaxPer      int64             `json:"max_msgs_per_subject"`
	MaxMsgSize  int32             `json:"max_msg_size"`
	MaxAge      time.Duration     `json:"max_age"`
	MaxBytes    int64             `json:"max_bytes"`
	Discard     string            `json:"discard"`
	Duplicates  time.Duration     `json:"duplicate_window"`
	FirstSeq    uint64            `json:"first_seq,omitempty"`
	DenyDelete  bool              `json:"deny_delete"`
	DenyPurge   bool              `json:"deny_purge"`
	Rollup      bool              `json:"allow_rollup_hdrs"`
	Direct      bool              `json:"allow_direct"`
	Atomic      bool              `json:"allow_atomic"`
	RePublish   *republish        `json:"republish,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

type republish struct {
	Source      string `json:"src"`
	Destination string `json:"dest"`
	HeadersOnly bool   `json:"headers_only"`
}

// format is the version of the store's messages. A node refuses a stream of another version.
const (
	format    = "1"
	formatKey = "boreas.auth.format"
)

// duplicates is how long NATS remembers the IDs of messages. It is longer than a write is repeated.
const duplicates = 2 * time.Minute

func (s *Store) config() *config {
	return &config{
		Name: s.stream, Subjects: []string{s.log + ".>", s.chunks + ".*"},
		Retention: "limits", Storage: "file", Replicas: s.options.Replicas,
		MaxConsumer: -1, MaxMsgs: -1, MaxPer: -1, MaxMsgSize: -1,
		MaxBytes: 2 * s.options.MaxBytes, Discard: "new", Duplicates: duplicates,
		// No message has the sequence of one in an earlier stream of this name.
		FirstSeq:   uint64(time.Now().UnixMicro()),
		DenyDelete: true, Rollup: true, Direct: true, Atomic: true,
		RePublish: &republish{Source: s.change, Destination: s.changed, HeadersOnly: true},
		Metadata:  map[string]string{formatKey: format},
	}
}

// info describes the stream.
type info struct {
	Config config `json:"config"`
	State  struct {
		Bytes    int64             `json:"bytes"`
		Subjects map[string]uint64 `json:"subjects"`
	} `json:"state"`
}

// openStream makes the stream if there is none, and checks it.
func (s *Store) openStream(ctx context.Context) error {
	for {
		var found info
		err := s.ask(ctx, writeFor, "STREAM.INFO", struct{}{}, &found)
		if code(err) == codeStreamNotFound {
			if err = s.ask(ctx, writeFor, "STREAM.CREATE", s.config(), nil); err == nil || code(err) == codeNameInUse {
				continue // another node may have made it
			}
		}
		if err != nil {
			return fmt.Errorf("open the stream %s: %w", s.stream, err)
		}
		s.size.Store(found.State.Bytes)
		return s.check(&found.Config)
	}
}

// check returns an error if the stream can lose lines, or lacks an ability that the store needs.
func (s *Store) check(c *config) error {
	want := s.config()
	if c.Metadata[formatKey] != format {
		return fmt.Errorf("the stream %s has the format %q, and this server supports %q: run the same version on all nodes",
			s.stream, c.Metadata[formatKey], format)
	}
	type safety struct {
		Subjects                                   []string
		Retention, Storage, Discard                string
		MaxMsgs, MaxPer                            int64
		MaxAge                                     time.Duration
		DenyDelete, DenyPurge, Rollup, Dir, Atomic bool
		RePublish                                  *republish
	}
	part := func(c *config) string {
		text, err := json.Marshal(safety{
			c.Subjects, c.Retention, c.Storage, c.Discard, c.MaxMsgs, c.MaxPer,
			c.MaxAge, c.DenyDelete, c.DenyPurge, c.Rollup, c.Direct, c.Atomic, c.RePublish,
		})
		return fmt.Sprint(string(text), err)
	}
	if got, want := part(c), part(want); got != want {
		return fmt.Errorf("the configuration of the stream %s was changed, so that it could lose tokens, keys or revocations: it is %s, and must be %s",
			s.stream, got, want)
	}
	if c.Replicas != want.Replicas || c.MaxBytes != want.MaxBytes {
		s.options.Logger.Warn("the stream of tokens, keys and revocations has other limits than this node's options: those of the stream count. `nats stream edit` changes them",
			"stream", s.stream, "replicas", c.Replicas, "replicas_option", want.Replicas,
			"max_bytes", c.MaxBytes/2, "max_bytes_option", want.MaxBytes/2)
	}
	s.maxBytes = c.MaxBytes / 2
	return nil
}

// measure asks for the size of the stream.
func (s *Store) measure(ctx context.Context) error {
	var found info
	if err := s.ask(ctx, readFor, "STREAM.INFO", struct{}{}, &found); err != nil {
		return err
	}
	s.size.Store(found.State.Bytes)
	return nil
}

// room returns an error if the stream is full.
func (s *Store) room() error {
	if size := s.size.Load(); size > s.maxBytes {
		return fmt.Errorf("%w: the tokens, keys and revocations take %d bytes of %d. Delete tokens that nobody uses, or raise the limit: `nats stream edit %s --max-bytes=%d`",
			ErrFull, size, s.maxBytes, s.stream, 4*s.maxBytes)
	}
	return nil
}

// publish stores a message at the end of its subject and returns its sequence. The last message of the
// subject must have the sequence after; otherwise the error has the code codeWrongLast. It repeats the
// message while it is not clear whether it is stored, and the message is stored at most once. If the
// error has no code, the message may be stored or not.
func (s *Store) publish(ctx context.Context, m *nats.Msg, after uint64) (uint64, error) {
	id := newID()
	m.Header.Set(nats.MsgIdHdr, id)
	m.Header.Set(nats.ExpectedLastSubjSeqHdr, fmt.Sprint(after))
	stored := func(k *kept) uint64 {
		if k.header().Get(nats.MsgIdHdr) == id {
			return k.Message.Seq
		}
		return 0
	}
	return s.store(ctx, m.Subject, after, stored, func(ctx context.Context) (uint64, error) {
		var ack struct {
			Seq uint64 `json:"seq"`
		}
		err := s.request(ctx, m, &ack)
		return ack.Seq, err
	})
}

// store repeats send until it is clear whether the message is stored. Stored returns its sequence if
// the message after the expected one is that of send, and otherwise 0.
func (s *Store) store(ctx context.Context, subject string, after uint64, stored func(*kept) uint64,
	send func(ctx context.Context) (uint64, error),
) (seq uint64, err error) {
	unclear := false
	err = repeat(ctx, writeFor, func(ctx context.Context) (bool, error) {
		var err error
		seq, err = send(ctx)
		switch code(err) {
		case 0:
			unclear = unclear || err != nil
			return err == nil, s.explain(ctx, err)
		case codeWrongLastBusy:
			return false, err // the other message comes first, or is lost
		case codeWrongLast, codeBatchDuplicate:
			if !unclear {
				return true, err
			}
			k, lookErr := s.next(ctx, after+1, subject)
			if lookErr != nil || k.Message.Seq == 0 {
				return false, errors.Join(err, lookErr) // the new leader does not have it yet
			}
			seq = stored(k)
			if seq != 0 {
				err = nil
			}
			return true, err
		case codeStoreFailed:
			return true, fmt.Errorf("%w, or the disk of a NATS server is: %w", ErrFull, err)
		case codeTooLarge:
			return true, fmt.Errorf("the change is too large for the stream %s: %w", s.stream, err)
		}
		unclear = unclear || passing(err)
		return !passing(err), err
	})
	return seq, err
}
