package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/internal/spelling"
)

// maxRules limits the rules, because each channel's name is compared with one rule after another.
const maxRules = 1000

// The words of a rule, without "=" and value.
const (
	wordMessages    = "history_messages"
	wordBytes       = "history_bytes"
	wordAge         = "history_age"
	wordDurable     = "durable"
	wordPresence    = "presence"
	wordPublish     = "client_publish"
	wordLatest      = "latest"
	wordSubscribers = "max_subscribers"

	presenceCount = "count"
)

// ruleWords are the words with the form of their values, for messages.
var ruleWords = []struct{ name, shown string }{
	{wordMessages, wordMessages + "=N"},
	{wordBytes, wordBytes + "=SIZE"},
	{wordAge, wordAge + "=TIME"},
	{wordDurable, wordDurable + "=" + DurableSync + " or " + wordDurable + "=" + DurableMemory},
	{wordPresence, wordPresence + " or " + wordPresence + "=" + presenceCount},
	{wordPublish, wordPublish},
	{wordLatest, wordLatest},
	{wordSubscribers, wordSubscribers + "=N"},
}

const rulesForm = `rules on separate lines or separated by ";", each a pattern and words, such as "chat.** presence history_age=1h"`

// ruleError is an error in one rule.
type ruleError struct {
	number  int
	text    string // the text of the rule
	word    string // the wrong word
	at      int    // its position in the rule's text
	message string
}

func (e *ruleError) Error() string {
	const shown = 80
	text := e.text
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	return fmt.Sprintf("rule %d, %q: %s", e.number, text, e.message)
}

// span returns the position of the error in a file. value is where the rules begin. If the rule is
// not found in the file, because it has escapes there, span returns value.
func (e *ruleError) span(src source, value span) span {
	for i := value.line - 1; i < len(src.lines); i++ {
		if from := strings.Index(src.lines[i], e.text); from >= 0 {
			return span{i + 1, from + e.at, from + e.at + len(e.word)}
		}
	}
	return value
}

// parseRules parses the text of all rules. The error joins one error for each wrong rule.
func parseRules(text string) ([]Rule, error) {
	var rules []Rule
	var errs []error
	number := 0
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if number++; number > maxRules {
			errs = append(errs, fmt.Errorf("there are more than %d rules", maxRules))
			break
		}
		p := ruleParser{number: number, text: part}
		r, err := p.rule()
		if err == nil {
			err = p.reached(rules, r)
		}
		if err != nil {
			errs = append(errs, err)
		}
		rules = append(rules, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return rules, nil
}

// ruleParser parses one rule.
type ruleParser struct {
	number int
	text   string
	word   string // the current word
	at     int    // its position in the text
}

func (p *ruleParser) errorf(format string, args ...any) error {
	return &ruleError{p.number, p.text, p.word, p.at, fmt.Sprintf(format, args...)}
}

func (p *ruleParser) rule() (Rule, error) {
	words := strings.Fields(p.text)
	r := Rule{Pattern: words[0]}
	p.word = r.Pattern
	name, _, valued := strings.Cut(r.Pattern, "=")
	switch isWord := slices.Contains(wordNames(), name); {
	case isWord && (valued || len(words) == 1):
		return r, p.errorf("it has no pattern: put one before %s, such as ** for all channels", r.Pattern)
	case r.Pattern == "#":
		return r, p.errorf("rules cannot have comments")
	}
	if _, err := access.ParsePattern(r.Pattern); err != nil {
		return r, p.errorf("%v", err)
	}
	seen := make(map[string]bool)
	for _, word := range words[1:] {
		after := p.at + len(p.word)
		p.word, p.at = word, after+strings.Index(p.text[after:], word)
		name, value, valued := strings.Cut(word, "=")
		if seen[name] {
			return r, p.errorf("%s is given twice", name)
		}
		seen[name] = true
		if err := p.set(&r, name, value, valued); err != nil {
			return r, err
		}
	}
	return r, nil
}

// set applies one word to the rule.
func (p *ruleParser) set(r *Rule, name, value string, valued bool) error {
	switch name {
	case wordPublish, wordLatest:
		if valued {
			return p.errorf("%s takes no value: omit %q", name, "="+value)
		}
		if name == wordLatest {
			r.Latest = true
		} else {
			r.ClientPublish = true
		}
		return nil
	case wordPresence:
		switch {
		case !valued:
			r.Presence = boreas.PresenceFull
		case value == presenceCount:
			r.Presence = boreas.PresenceCount
		default:
			return p.errorf("want presence or presence=count, not %q", p.word)
		}
		return nil
	}
	return p.setValue(r, name, value, valued)
}

// setValue applies a word that has a value.
func (p *ruleParser) setValue(r *Rule, name, text string, valued bool) error {
	o, ok := ruleOption(name)
	if !ok {
		return p.unknown(name)
	}
	if !valued || text == "" {
		return p.errorf("%s needs a value: want %s", name, o.wanted())
	}
	var c Config
	if err := o.set(&c, value{text: text}); err != nil {
		return p.errorf("%s: %v", name, err)
	}
	switch name {
	case wordMessages:
		r.HistoryMessages = &c.HistoryMessages
	case wordBytes:
		r.HistoryBytes = &c.HistoryBytes
	case wordAge:
		r.HistoryAge = &c.HistoryAge
	case wordDurable:
		r.Durable = c.Durable
	case wordSubscribers:
		r.MaxSubscribers = c.MaxConnections
	}
	return nil
}

// ruleOption returns the option that describes the value of a word: the option of the same name.
func ruleOption(name string) (Option, bool) {
	if name == wordSubscribers {
		return Option{Name: name, field: func(c *Config) any { return &c.MaxConnections }, min: 1, max: 10_000_000}, true
	}
	if !slices.Contains(wordNames(), name) {
		return Option{}, false
	}
	for _, o := range Options() {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}

// unknown returns an error that lists the words of a rule.
func (p *ruleParser) unknown(name string) error {
	var shown []string
	for _, w := range ruleWords {
		shown = append(shown, w.shown)
	}
	hint := spelling.DidYouMean(name, wordNames())
	switch {
	case hint != "":
	case strings.Contains(p.word, "*"):
		hint = `; a rule begins with its only pattern: put ";" before the next rule`
	case strings.Contains(p.word, ","):
		hint = "; put spaces between words"
	}
	return p.errorf("there is no word %q%s (the words are %s)", p.word, hint, strings.Join(shown, ", "))
}

func wordNames() []string {
	var names []string
	for _, w := range ruleWords {
		names = append(names, w.name)
	}
	return names
}

// reached returns an error if the rule can never apply, because an earlier rule matches all of its
// channels.
func (p *ruleParser) reached(before []Rule, r Rule) error {
	p.word, p.at = r.Pattern, 0
	for i, b := range before {
		if b.Pattern == r.Pattern {
			return p.errorf("it is never used: rule %d has the same pattern, and the first match counts", i+1)
		}
		if b.Pattern == "**" {
			return p.errorf("it is never used: rule %d matches every channel, and the first match counts: put ** last", i+1)
		}
	}
	return nil
}
