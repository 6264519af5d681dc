package boreas

import (
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// A Rule is the configuration of a channel. The zero value has all defaults.
type Rule struct {
	// Text is the rule as it was written, for display; "" means that the text is not known. It has no effect.
	Text string

	// Retention is how much of the channel's log is kept.
	Retention engine.Retention

	// Presence says whether it is known who is on the channel.
	Presence PresenceMode

	// ClientPublish lets sessions publish.
	ClientPublish bool

	// Latest lets a session whose connection takes no more skip to the newest
	// publication. It is told so; one that cannot be told gets all of them.
	Latest bool

	// MaxSubscribers is how many sessions may join; 0 means no bound.
	MaxSubscribers int
}

// A PresenceMode says what is known of who is on a channel.
type PresenceMode uint8

const (
	PresenceOff   PresenceMode = iota // nothing
	PresenceFull                      // who, and events
	PresenceCount                     // how many
)

// Rules give each channel its rule: that of the first pattern which matches its name.
// They are immutable. Nil Rules give every channel the zero Rule.
type Rules struct {
	list []patternRule
}

type patternRule struct {
	pattern access.Pattern
	rule    *Rule
}

var zeroRule Rule

// Add returns rules with one more, after those that there are.
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
