package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Verb is something that a session can do on a channel. Verbs are bits: a set of them
// is their sum.
type Verb uint8

// The verbs.
const (
	VerbJoin     Verb = 1 << iota // join it, and go on where the session was
	VerbPublish                   // publish, where the channel's rule lets clients
	VerbHistory                   // read what was published before
	VerbPresence                  // see who is there

	// AllVerbs is all of them.
	AllVerbs = VerbJoin | VerbPublish | VerbHistory | VerbPresence
)

var verbNames = []string{"join", "publish", "history", "presence"}

// String returns the names of the verbs, with commas.
func (v Verb) String() string {
	var names []string
	for i, name := range verbNames {
		if v&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// ParseVerb reads the name of one verb. The error says which there are.
func ParseVerb(name string) (Verb, error) {
	i := slices.Index(verbNames, name)
	if i < 0 {
		// Verbs are short: if a secret stands in the place of one, it must not be repeated.
		return 0, fmt.Errorf("there is no verb %.10q: there are %s", name, AllVerbs)
	}
	return 1 << i, nil
}

const (
	// MaxPermissions is how many permissions a token may have: each check compares
	// with all of them.
	MaxPermissions = 100

	// MaxUser is the greatest length of a user's name, in bytes.
	MaxUser = 255

	// userWord stands for the user's name in the pattern of a permission.
	userWord = "{user}"
)

// A Permission allows or denies verbs on the channels that its pattern matches. In the
// pattern {user} stands for the name of the user, of which no character is special.
type Permission struct {
	Pattern string
	Allow   Verb
	Deny    Verb

	// Rule is the number, from 1, of the rule that the permission comes from: a rule may have several patterns, and messages
	// number rules, not patterns. 0 means that the permission is a rule of its own.
	Rule int
}

// rule returns the rule number that messages show for the permission at index i of a list.
func (p Permission) rule(i int) int {
	if p.Rule > 0 {
		return p.Rule
	}
	return i + 1
}

// String returns the permission in words: "allow join, publish on chat.*".
func (p Permission) String() string {
	var words []string
	if p.Allow != 0 {
		words = append(words, "allow "+p.Allow.String())
	}
	if p.Deny != 0 {
		words = append(words, "deny "+p.Deny.String())
	}
	return strings.Join(words, ", ") + " on " + p.Pattern
}

// Permissions say what a token's holder may do on which channel: what one of them
// allows and none denies, in whatever order they stand. They are immutable, and may be
// used by many goroutines at once. Nil Permissions allow everything, as a token of
// Boreas 1.0 does; empty ones allow nothing.
type Permissions struct {
	list   []permission
	byUser bool // a pattern has {user}
}

type permission struct {
	Permission
	pattern Pattern // zero, which matches nothing, while it has {user} and none is bound
	byUser  bool
}

// NewPermissions reads permissions. Those with {user} match nothing before
// [Permissions.For] has named the user. The error says what is wrong, and where.
func NewPermissions(list []Permission) (*Permissions, error) {
	if len(list) > MaxPermissions {
		return nil, fmt.Errorf("there are %d rules, more than %d", len(list), MaxPermissions)
	}
	p := &Permissions{list: make([]permission, len(list))}
	for i, perm := range list {
		if perm.Allow|perm.Deny == 0 {
			return nil, fmt.Errorf("rule %d, for %q, neither allows nor denies anything", perm.rule(i), perm.Pattern)
		}
		if perm.Allow&perm.Deny != 0 {
			return nil, fmt.Errorf("rule %d, for %q, both allows and denies %v", perm.rule(i), perm.Pattern, perm.Allow&perm.Deny)
		}
		pattern, err := ParsePattern(perm.Pattern)
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", perm.rule(i), err)
		}
		byUser := strings.Contains(perm.Pattern, userWord)
		if word := unknownWord(perm.Pattern); word != "" {
			return nil, fmt.Errorf("rule %d: pattern %q: there is nothing to put in for %s: there is %s", perm.rule(i), perm.Pattern, word, userWord)
		}
		if byUser {
			p.byUser, pattern = true, Pattern{}
		}
		p.list[i] = permission{perm, pattern, byUser}
	}
	return p, nil
}

// unknownWord returns the first word in braces that is not userWord, "" if there is none:
// a misspelt one must not go unseen, least of all in a rule that denies.
func unknownWord(pattern string) string {
	for rest := pattern; ; {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			return ""
		}
		rest = rest[i:]
		j := strings.IndexByte(rest, '}')
		if j < 0 {
			return ""
		}
		if rest[:j+1] != userWord {
			return rest[:j+1]
		}
		rest = rest[j+1:]
	}
}

// For returns the permissions of the user of that name. They share all but the patterns
// with {user}. No name of a user matches more than itself: a star in it is a star.
func (p *Permissions) For(user string) *Permissions {
	if p == nil || !p.byUser {
		return p
	}
	bound := &Permissions{list: slices.Clone(p.list)}
	for i := range bound.list {
		if e := &bound.list[i]; e.byUser {
			e.pattern, e.byUser = userPattern(e.Pattern, user), false
		}
	}
	return bound
}

// userPattern returns the pattern with the user's name in it. It is the zero Pattern if
// no channel's name can match it.
func userPattern(text, user string) Pattern {
	if ValidUser(user) != nil {
		return Pattern{}
	}
	// A control character stands in no pattern and in no name: it can stand for the
	// stars that are none.
	literal := strings.ReplaceAll(user, "*", string(literalStar))
	text = strings.ReplaceAll(text, userWord, literal)
	if len(strings.ReplaceAll(text, "*", "")) > MaxChannelName {
		return Pattern{}
	}
	return compile(text)
}

// ValidUser returns nil if name can be a user's: 1 to [MaxUser] bytes of UTF-8 without
// control characters. Otherwise it says what is wrong.
func ValidUser(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the user's name is empty")
	case len(name) > MaxUser:
		return fmt.Errorf("the user's name has %d bytes, more than %d", len(name), MaxUser)
	case !utf8.ValidString(name):
		return fmt.Errorf("the user's name is not valid UTF-8")
	}
	for i, r := range name {
		if unicode.IsControl(r) {
			return fmt.Errorf("the user's name has a control character, %U, at byte %d", r, i)
		}
	}
	return nil
}

// A Decision is whether something is allowed, and why.
type Decision struct {
	Allowed bool

	// By is the number of the permission that decided, from 1; 0 if there is none:
	// what no permission allows is denied, and without any permissions all is allowed.
	By int
}

// Decide tells whether the verb is allowed on the channel. It allocates nothing.
func (p *Permissions) Decide(verb Verb, channel string) Decision {
	if p == nil {
		return Decision{Allowed: true}
	}
	d := Decision{}
	for i := range p.list {
		e := &p.list[i]
		switch {
		case e.Deny&verb != 0:
			if e.pattern.Match(channel) {
				return Decision{By: i + 1}
			}
		case e.Allow&verb != 0 && !d.Allowed:
			if e.pattern.Match(channel) {
				d = Decision{true, i + 1}
			}
		}
	}
	return d
}

// List returns the permissions as they were given.
func (p *Permissions) List() []Permission {
	if p == nil {
		return nil
	}
	list := make([]Permission, len(p.list))
	for i := range p.list {
		list[i] = p.list[i].Permission
	}
	return list
}

// Explain says in words why a decision on the verb was made: "rule 2: deny join on
// admin.**".
func (p *Permissions) Explain(verb Verb, d Decision) string {
	switch {
	case p == nil:
		return "the token has no rules, and may do everything"
	case d.By == 0:
		return fmt.Sprintf("none of its rules allows %v there", verb)
	default:
		e := p.list[d.By-1].Permission
		return fmt.Sprintf("rule %d: %v", e.rule(d.By-1), e)
	}
}
