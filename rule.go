package boreas

import (
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A Rule is the configuration of a channel. The zero Rule has all defaults.
type Rule struct {
	// Text is the rule as the operator wrote it, for display; "" means that the text is not known.
	// It has no effect.
	Text string

	// Retention limits the channel's log. It applies to the engine that [New] makes. An engine in
	// [Options].Engine has limits of its own; see for example the Limits of [memory.Options].
	Retention engine.Retention

	// InMemory means that an engine that keeps publications on disk keeps those of the channel in
	// memory only.
	InMemory bool

	// Presence says whether the hub tracks which users are on the channel.
	Presence PresenceMode

	// ClientPublish lets sessions publish.
	ClientPublish bool

	// Latest lets a session whose connection accepts no more bytes skip to the newest publication.
	// The session receives a gap. If its format is not a [NoticeFormat], it receives all
	// publications.
	Latest bool

	// MaxSubscribers is the maximum number of sessions on the channel; 0 means unlimited.
	MaxSubscribers int
}

// A PresenceMode says which presence information a channel has.
type PresenceMode uint8

const (
	PresenceOff   PresenceMode = iota // none
	PresenceFull                      // the users and their sessions, and events
	PresenceCount                     // numbers only
)

// Rules map each channel to its rule: the rule of the first pattern that matches its name. They are
// immutable. Nil Rules give every channel the zero Rule.
type Rules struct {
	list []patternRule
}

type patternRule struct {
	pattern access.Pattern
	rule    *Rule
}

var zeroRule Rule

// Add returns new Rules with one more rule at the end.
func (r *Rules) Add(p access.Pattern, rule Rule) *Rules {
	var list []patternRule
	if r != nil {
		list = append(list, r.list...)
	}
	return &Rules{append(list, patternRule{p, &rule})}
}

// For returns the channel's rule. The caller must not change it.
func (r *Rules) For(channel string) *Rule {
	if r == nil {
		return &zeroRule
	}
	for i := range r.list {
		if r.list[i].pattern.Match(channel) {
			return r.list[i].rule
		}
	}
	return &zeroRule
}

// Text returns the text of the channel's rule, or "" if no pattern matches the channel.
func (r *Rules) Text(channel string) string { return r.For(channel).Text }

// SetRules replaces the rules of all channels. Joins, publications and reads that begin later follow
// the new ones, on existing channels too. Sessions that are over a new MaxSubscribers stay.
//
// Presence is an exception. A channel that begins to have it, or a full list of it, does so once no
// session is on the channel or lingers there. When the presence of a channel ends, new requests
// for it are refused at once, and sessions that watch it go on until then.
//
// An engine that is an [engine.Relimiter] then applies the new Retention. An engine of the caller must
// have it already.
func (h *Hub) SetRules(rules *Rules) {
	h.ruling.Lock() // otherwise channels could keep the rules of one call, and the hub those of another
	defer h.ruling.Unlock()
	// The rules first: a channel that is created while this function walks over the shards either has
	// the new rule or is found.
	h.rules.Store(rules)
	for i := range h.channels.shards {
		s := &h.channels.shards[i]
		s.mu.Lock()
		for name, ch := range s.byName {
			ch.rule.Store(rules.For(name))
		}
		s.mu.Unlock()
	}
	if e, ok := h.engine.(engine.Relimiter); ok && h.calls.enter() {
		defer h.calls.leave()
		e.Relimit()
	}
}
