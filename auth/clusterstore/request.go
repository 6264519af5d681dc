package clusterstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// tryTimeout bounds one request. After it the leader has probably changed.
	tryTimeout = 2 * time.Second

	// firstPause is the pause before a request is repeated for the first time: a server may be behind by
	// about a millisecond. Later pauses are longer, up to maxPause.
	firstPause = time.Millisecond
	maxPause   = 100 * time.Millisecond

	// writeFor is how long a write is repeated. It covers the election of a new leader. It is shorter
	// than the time that an authority waits.
	writeFor = 12 * time.Second

	// readFor is how long a read is repeated. It is shorter because the authority makes no change
	// meanwhile.
	readFor = 5 * time.Second
)

// Codes of errors of the JetStream API.
const (
	codeStreamNotFound  = 10059
	codeMessageNotFound = 10037
	codeInResources     = 10023 // "insufficient resources", also during an election
	codeWrongLast       = 10071 // not the expected last sequence
	codeWrongLastBusy   = 10164 // the same, because of a message that is not stored yet
	codeDuplicateBusy   = 10158 // a message with the same ID is not stored yet
	codeBatchDuplicate  = 10201 // a batch was stored already
	codeStoreFailed     = 10077 // the stream is full, or its disk is
	codeTooLarge        = 10054
	codeNameInUse       = 10058 // a stream exists with another configuration
)

// An apiError is the refusal of a request by JetStream.
type apiError struct {
	Code        int    `json:"code"` // as in HTTP
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("NATS refuses the request: %s (%d)", e.Description, e.ErrCode)
}

// code returns the code of an error of the API, or 0.
func code(err error) int {
	if e := (*apiError)(nil); errors.As(err, &e) {
		return e.ErrCode
	}
	return 0
}

// passing reports whether a request may succeed when it is repeated. An error that NATS did not send
// is one of the connection.
func passing(err error) bool {
	e := (*apiError)(nil)
	if !errors.As(err, &e) {
		return true
	}
	return e.Code == 503 || e.ErrCode == codeDuplicateBusy || e.ErrCode == codeInResources
}

// request sends one request and decodes the answer.
func (s *Store) request(ctx context.Context, m *nats.Msg, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	reply, err := s.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return fmt.Errorf("request to %s: %w", m.Subject, err)
	}
	var failure struct {
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &failure); err != nil {
		return fmt.Errorf("the answer to %s cannot be read: %w", m.Subject, err)
	}
	if failure.Error != nil {
		return failure.Error
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Data, answer); err != nil {
		return fmt.Errorf("the answer to %s cannot be read: %w", m.Subject, err)
	}
	return nil
}

// explain returns a better error if nobody receives what is written to the stream because it does not
// exist.
func (s *Store) explain(ctx context.Context, err error) error {
	if !errors.Is(err, nats.ErrNoResponders) && code(err) != codeStreamNotFound {
		return err
	}
	if code(s.request(ctx, &nats.Msg{Subject: "$JS.API.STREAM.INFO." + s.stream}, nil)) == codeStreamNotFound {
		return s.gone()
	}
	return err
}

// ask sends a request to the JetStream API, and repeats it while it may succeed.
func (s *Store) ask(ctx context.Context, limit time.Duration, api string, question, answer any) error {
	data, err := json.Marshal(question)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: "$JS.API." + api + "." + s.stream, Data: data}
	return repeat(ctx, limit, func(ctx context.Context) (bool, error) {
		err := s.request(ctx, m, answer)
		return err == nil || !passing(err), err
	})
}

// ErrGaveUp means that NATS has not answered in time, or only with errors that pass by themselves. The
// same call may succeed later.
var ErrGaveUp = errors.New("gave up")

// repeat calls try until it is done, the limit has passed, or ctx is done. It returns the last error
// of try that says more than that the time is over.
func repeat(ctx context.Context, limit time.Duration, try func(ctx context.Context) (done bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		done, err := try(ctx)
		if done {
			return err
		}
		if err != nil && (last == nil || ctx.Err() == nil) {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrGaveUp, cmp.Or(last, ctx.Err()))
		case <-time.After(pause):
		}
	}
}

// kept is a message of the stream as the API returns it.
type kept struct {
	Message struct {
		Subject string `json:"subject"`
		Seq     uint64 `json:"seq"`
		Header  []byte `json:"hdrs"`
		Data    []byte `json:"data"`
	} `json:"message"`
}

func (k *kept) header() nats.Header {
	h, err := nats.DecodeHeadersMsg(k.Message.Header)
	if err != nil {
		return nats.Header{} // it has none
	}
	return h
}

// last returns the last message of a subject, from the leader of the stream. The sequence is 0 if
// there is none.
func (s *Store) last(ctx context.Context, subject string) (*kept, error) {
	return s.one(ctx, map[string]any{"last_by_subj": subject})
}

// next returns the first message of a subject from a sequence on, as last does.
func (s *Store) next(ctx context.Context, seq uint64, subject string) (*kept, error) {
	return s.one(ctx, map[string]any{"seq": seq, "next_by_subj": subject})
}

func (s *Store) one(ctx context.Context, question map[string]any) (*kept, error) {
	k := new(kept)
	err := s.ask(ctx, readFor, "STREAM.MSG.GET", question, k)
	switch code(err) {
	case 0:
		return k, err
	case codeMessageNotFound:
		return new(kept), nil
	case codeStreamNotFound:
		return nil, s.gone()
	}
	return nil, err
}

// gone returns the error for a stream that does not exist.
func (s *Store) gone() error {
	return fmt.Errorf("the stream %s of tokens, keys and revocations does not exist any more: restore it from a backup. "+
		"Or stop all nodes and start them again: the first one makes an empty stream, without any token, key or revocation", s.stream)
}

// sequence returns the sequence in a header, or 0.
func sequence(h nats.Header, name string) uint64 {
	n, err := strconv.ParseUint(h.Get(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
