package config

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// A Rule applies to the channels whose names match its pattern and no pattern of an earlier rule.
type Rule struct {
	Pattern string

	// History of the channels; nil means the value of the option with the same name.
	HistoryMessages *int // 0 means none
	HistoryBytes    *int64
	HistoryAge      *time.Duration
	Durable         string // DurableSync or DurableMemory; "" means the value of the option

	Presence       boreas.PresenceMode
	ClientPublish  bool
	Latest         bool
	MaxSubscribers int // 0 means no limit
}

// ChannelRules returns the rules of all channels. Omitted members have the options' values. A last
// rule matches all channels that no other rule matches.
func (c Config) ChannelRules() *boreas.Rules {
	var rules *boreas.Rules
	for i, r := range append(c.Rules[:len(c.Rules):len(c.Rules)], Rule{Pattern: "**"}) {
		text := ""
		if i < len(c.Rules) {
			text = r.String()
		}
		pattern, err := access.ParsePattern(r.Pattern)
		if err != nil {
			panic("config: " + err.Error()) // the rule is not from Load
		}
		rules = rules.Add(pattern, boreas.Rule{
			Text: text,
			Retention: engine.Retention{
				// 0 means none here, but the engine's default in the engine.
				Messages: cmp.Or(*cmp.Or(r.HistoryMessages, &c.HistoryMessages), -1),
				Bytes:    *cmp.Or(r.HistoryBytes, &c.HistoryBytes),
				Age:      *cmp.Or(r.HistoryAge, &c.HistoryAge),
			},
			InMemory:       cmp.Or(r.Durable, c.Durable) == DurableMemory,
			Presence:       r.Presence,
			ClientPublish:  r.ClientPublish,
			Latest:         r.Latest,
			MaxSubscribers: r.MaxSubscribers,
		})
	}
	return rules
}

// String returns the rule in the syntax of the option.
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
	if r.Durable != "" {
		words = append(words, wordDurable+"="+r.Durable)
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

// formatRules returns the rules in the syntax of the option, with the given separator.
func formatRules(rules []Rule, separator string) string {
	var texts []string
	for _, r := range rules {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, separator)
}
