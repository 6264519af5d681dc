package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/boreas-pubsub/boreas/v2/engine/cluster/natsconn"
)

// names has the names of everything that the engine keeps on the servers.
type names struct {
	stream  string
	channel string // what the subjects of channels begin with
	all     string // the subject that matches all of them
	epoch   string // subject of the marker
	beat    string // subject of this node's beats
	purge   string // what the subjects of purges begin with
}

// Tokens of subjects that are not channels; see [natsconn.Encode].
const (
	epochToken = "=epoch"
	beatToken  = "=beat-"
	purgeToken = "=purge-" // the token of a channel follows
)

func newNames(o *natsconn.Options) names {
	return names{
		stream:  o.Stream(),
		channel: o.Subject("ch", ""),
		all:     o.Subject("ch", "*"),
		epoch:   o.Subject("ch", epochToken),
		beat:    o.Subject("ch", beatToken+o.Node),
		purge:   o.Subject("ch", purgeToken),
	}
}

// askTimeout bounds one question to the leader of the stream.
const askTimeout = 2 * time.Second

// Members of the stream's metadata.
const (
	metaVersion = "boreas.version"
	metaLimits  = "boreas.limits"
	metaLeast   = "boreas.least" // see keptOf

	// streamVersion is the version of the layout of the stream and its messages. A node refuses a
	// stream with a newer one.
	streamVersion = "1"
)

// limits returns the limits that this node wants.
func (o *Options) limits() Limits {
	return Limits{Messages: o.keep(), Age: o.keepFor(), History: o.History, KeyWindow: o.window(), Replicas: o.Replicas}
}

func (o *Options) keep() int              { return max(o.Messages, MinMessages) }
func (o *Options) keepFor() time.Duration { return max(o.Age, MinAge) }
func (o *Options) window() time.Duration  { return min(max(o.KeyWindow, retryWindow), o.keepFor()) }

// config returns the stream as this node would make it.
func (e *Engine) config() jetstream.StreamConfig {
	o := &e.options
	return jetstream.StreamConfig{
		Name:        e.names.stream,
		Description: "The channels of Boreas. Its nodes create it; see their documentation before you change it.",
		Subjects:    []string{e.names.all},
		Storage:     jetstream.FileStorage, // memory is slow with many subjects
		Replicas:    o.Replicas,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		// One more than is promised: it proves that nothing is missing after it.
		MaxMsgsPerSubject: int64(o.keep()) + 1,
		MaxAge:            o.keepFor(),
		MaxBytes:          o.History,
		Duplicates:        o.window(),
		DenyDelete:        true,
		DenyPurge:         true, // a node cannot know what somebody has removed from the middle
		AllowDirect:       true,
		AllowMsgTTL:       true,
		// A stream that is made again never uses the offsets of the one before.
		FirstSeq: uint64(time.Now().UnixMicro()),
		Metadata: map[string]string{metaVersion: streamVersion, metaLimits: o.limits().String()},
	}
}

// ensureStream creates the stream if there is none, and checks it otherwise. It returns the stream's
// configuration.
func (e *Engine) ensureStream(ctx context.Context) (jetstream.StreamConfig, error) {
	for last := error(nil); ; {
		c, err := e.tryStream(ctx)
		if err == nil || !worthRetry(err) {
			return c, err
		}
		if ctx.Err() == nil || last == nil { // the error of an attempt that ctx has ended says less
			last = err
		}
		if !e.pause(ctx, retryPause) {
			return c, last
		}
	}
}

// worthRetry reports whether an error of the servers may pass by itself, for example because they
// are electing a leader.
func worthRetry(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503 || api.Code == 408
	}
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

func (e *Engine) tryStream(parent context.Context) (c jetstream.StreamConfig, err error) {
	ctx, cancel := context.WithTimeout(parent, askTimeout)
	defer cancel()
	js, err := jetstream.New(e.reading)
	if err != nil {
		return c, err
	}
	stream, err := js.Stream(ctx, e.names.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, e.config())
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return e.tryStream(parent) // another node was faster
		}
		if err == nil {
			e.log.Info("created the stream of messages", "stream", e.names.stream, "limits", e.options.limits())
		}
	}
	if err != nil {
		return c, explainStream(err, e.names.stream, e.options.Replicas)
	}
	c = stream.CachedInfo().Config
	return c, e.checkStream(c)
}

// checkStream returns an error if the engine cannot use the stream, and logs a warning if other nodes
// were started with other limits.
func (e *Engine) checkStream(c jetstream.StreamConfig) error {
	if err := checkLayout(c); err != nil {
		return err
	}
	if theirs, ours := c.Metadata[metaLimits], e.options.limits().String(); theirs != ours {
		e.log.Warn("the limits of the stream differ from those of this node: the stream's are in force; "+
			"give all nodes the same options, and run `boreas cluster apply` to change the stream", "stream", theirs, "node", ours)
	}
	return nil
}

// checkLayout returns an error if the stream was not made by this version or an older one.
func checkLayout(c jetstream.StreamConfig) error {
	if v, known := c.Metadata[metaVersion]; !known {
		return fmt.Errorf("the stream %s was not made by this program: give another nats_prefix", c.Name)
	} else if v != streamVersion {
		return fmt.Errorf("the stream %s has the layout %.20q, and this version knows %s: use the version that made it", c.Name, v, streamVersion)
	}
	return nil
}

// Errors of making a stream with more replicas than there are servers.
const (
	errorNoPeers  = 10005
	errorReplicas = 10074
)

// explainStream adds what to do to an error of making the stream.
func explainStream(err error, stream string, replicas int) error {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("the NATS servers keep no messages: enable JetStream on them: %w", err)
	case errors.As(err, &api) && (api.ErrorCode == errorNoSpace || strings.Contains(api.Description, "storage")):
		return fmt.Errorf("the NATS servers have no room for the stream %s: raise max_file_store there, or lower cluster_history: %w", stream, err)
	case errors.As(err, &api) && (api.ErrorCode == errorNoPeers || api.ErrorCode == errorReplicas):
		return fmt.Errorf("the stream %s cannot have %d replicas: start as many NATS servers with JetStream as one cluster, "+
			"or give nats_replicas=1, with which the loss of the server loses messages: %w", stream, replicas, err)
	}
	if errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("open the stream %s: no NATS server with JetStream answers: enable JetStream on them, and see whether a majority of them runs: %w", stream, err)
	}
	return fmt.Errorf("open the stream %s: %w", stream, err)
}

// A state is what the leader says about the stream.
type state struct {
	First    uint64            `json:"first_seq"`
	Last     uint64            `json:"last_seq"`
	Messages uint64            `json:"messages"`
	Bytes    uint64            `json:"bytes"`
	Subjects map[string]uint64 `json:"subjects"`

	kept    int64         // see keptOf
	created time.Time     // differs after the stream was deleted, or restored from a copy
	maxAge  time.Duration // how long the stream keeps a message
}

// errNoStream means that the stream is gone.
var errNoStream = errors.New("the stream of messages is gone")

// streamState asks the leader for the state of the stream. If a subject is given, the state has its
// number of messages.
func (e *Engine) streamState(ctx context.Context, subject string) (s state, err error) {
	var question []byte
	if subject != "" {
		question, _ = json.Marshal(map[string]string{"subjects_filter": subject}) // strings cannot fail
	}
	var answer struct {
		Created time.Time `json:"created"`
		State   state     `json:"state"`
		Config  struct {
			PerSubject int64             `json:"max_msgs_per_subject"`
			MaxAge     time.Duration     `json:"max_age"`
			Metadata   map[string]string `json:"metadata"`
		} `json:"config"`
	}
	err = e.ask(ctx, "STREAM.INFO."+e.names.stream, question, &answer)
	s = answer.State
	s.kept = keptOf(answer.Config.PerSubject, answer.Config.Metadata)
	s.created, s.maxAge = answer.Created, answer.Config.MaxAge
	return s, err
}

// ask asks the leader of the stream.
func (e *Engine) ask(ctx context.Context, api string, question []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, err := e.reading.RequestWithContext(ctx, "$JS.API."+api, question)
	if err != nil {
		return err
	}
	var failure struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &failure); err != nil {
		return fmt.Errorf("the answer of NATS cannot be read: %w", err)
	}
	if f := failure.Error; f != nil {
		if f.ErrorCode == jetstream.JSErrCodeStreamNotFound {
			return errNoStream
		}
		return f
	}
	return json.Unmarshal(m.Data, answer)
}

// stored is a message as the leader returns it.
type stored struct {
	Subject string    `json:"subject"`
	Seq     uint64    `json:"seq"`
	Header  []byte    `json:"hdrs"`
	Data    []byte    `json:"data"`
	Time    time.Time `json:"time"`
}

// errNoMessage means that the stream does not have the message.
var errNoMessage = errors.New("the stream does not have the message")

// leaderLast returns the newest message of a subject, and leaderGet the one with the sequence.
func (e *Engine) leaderLast(ctx context.Context, subject string) (stored, error) {
	return e.leaderMessage(ctx, map[string]any{"last_by_subj": subject})
}

func (e *Engine) leaderGet(ctx context.Context, seq uint64) (stored, error) {
	return e.leaderMessage(ctx, map[string]any{"seq": seq})
}

func (e *Engine) leaderMessage(ctx context.Context, which map[string]any) (stored, error) {
	question, err := json.Marshal(which)
	if err != nil {
		return stored{}, err
	}
	var answer struct {
		Message stored `json:"message"`
	}
	err = e.ask(ctx, "STREAM.MSG.GET."+e.names.stream, question, &answer)
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		err = errNoMessage
	}
	return answer.Message, err
}

// channelOf returns the channel of a subject, or false if it is not one of a channel.
func (n *names) channelOf(subject string) (channel string, ok bool) {
	token, ok := strings.CutPrefix(subject, n.channel)
	if !ok {
		return "", false
	}
	return natsconn.Decode(token)
}
