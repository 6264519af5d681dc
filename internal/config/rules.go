package config

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/access"
	"github.com/boreas-pubsub/boreas/engine"
)

// A Rule says how the channels are treated whose names match its pattern, and no
// pattern of a rule before it.
type Rule struct {
	Pattern string

	// What the rule says of history; nil where it leaves that to the options of
	// the same names.
	HistoryMessages *int // 0 means none
	HistoryBytes    *int64
	HistoryAge      *time.Duration

	Presence       boreas.PresenceMode
	ClientPublish  bool
	Latest         bool
	MaxSubscribers int // 0 means no bound
}

// ChannelRules returns the rules of all channels, with defaults for omitted members, and a last
// rule for the channels without one.
func (c Config) ChannelRules() *boreas.Rules {
	var rules *boreas.Rules
	for i, r := range append(c.Rules[:len(c.Rules):len(c.Rules)], Rule{Pattern: "**"}) {
		text := ""
		if i < len(c.Rules) {
			text = r.String()
		}
		pattern, err := access.ParsePattern(r.Pattern)
		if err != nil {
			panic("config: " + err.Error()) // not a rule of Load
		}
		rules = rules.Add(pattern, boreas.Rule{
			Text: text,
			Retention: engine.Retention{
				// To the engine a 0 means its default, here it means none.
				Messages: cmp.Or(*cmp.Or(r.HistoryMessages, &c.HistoryMessages), -1),
				Bytes:    *cmp.Or(r.HistoryBytes, &c.HistoryBytes),
				Age:      *cmp.Or(r.HistoryAge, &c.HistoryAge),
			},
			Presence:       r.Presence,
			ClientPublish:  r.ClientPublish,
			Latest:         r.Latest,
			MaxSubscribers: r.MaxSubscribers,
		})
	}
	return rules
}

// String returns the rule as it would be given.
func (r Rule) String() string {
	words := []string{r.Pattern}
	if r.HistoryMessages != nil {
		words = append(words, wordMessages+"="+strconv.Itoa(*r.HistoryMessages))
	}
	if r.HistoryBytes != nil {
		words = append(words, wordBytes+"="+formatSize(*r.HistoryBytes))
	}
	if r.HistoryAge != nil {
		words = append(words, wordAge+"="+FormatDuration(*r.HistoryAge))
	}
	switch r.Presence {
	case boreas.PresenceFull:
		words = append(words, wordPresence)
	case boreas.PresenceCount:
		words = append(words, wordPresence+"="+presenceCount)
	}
	if r.ClientPublish {
		words = append(words, wordPublish)
	}
	if r.Latest {
		words = append(words, wordLatest)
	}
	if r.MaxSubscribers > 0 {
		words = append(words, wordSubscribers+"="+strconv.Itoa(r.MaxSubscribers))
	}
	return strings.Join(words, " ")
}

// formatRules writes rules with the separator between each two.
func formatRules(rules []Rule, separator string) string {
	var texts []string
	for _, r := range rules {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, separator)
}
