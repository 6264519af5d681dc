package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Verb is an action of a session on a channel. Verbs are bits, so that a set of verbs is their
// bitwise or.
type Verb uint8

// The verbs.
const (
	VerbJoin     Verb = 1 << iota // join the channel, and resume from an earlier position
	VerbPublish                   // publish, if the channel's rule allows clients to publish
	VerbHistory                   // read earlier messages
	VerbPresence                  // see which users are present

	// AllVerbs is the set of all verbs.
	AllVerbs = VerbJoin | VerbPublish | VerbHistory | VerbPresence
)

var verbNames = []string{"join", "publish", "history", "presence"}

// String returns the names of the verbs, separated by commas.
func (v Verb) String() string {
	var names []string
	for i, name := range verbNames {
		if v&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// ParseVerb parses the name of one verb. The error lists the valid names.
func ParseVerb(name string) (Verb, error) {
	i := slices.Index(verbNames, name)
	if i < 0 {
		// Quote only the first bytes: the value may be a misplaced secret.
		return 0, fmt.Errorf("there is no verb %.10q: the verbs are %s", name, AllVerbs)
	}
	return 1 << i, nil
}

const (
	// MaxPermissions is the maximum number of permissions of a token. Each check may compare all of
	// them.
	MaxPermissions = 100

	// MaxUser is the maximum length of a user name in bytes.
	MaxUser = 255

	// userWord in the pattern of a permission stands for the user's name.
	userWord = "{user}"
)

// A Permission allows or denies verbs on the channels that its pattern matches. {user} in the
// pattern stands for the user's name, in which every character matches only itself.
type Permission struct {
	Pattern string
	Allow   Verb
	Deny    Verb

	// Rule is the number, from 1, of the rule that the permission comes from. A rule may have
	// several patterns, and messages number rules rather than patterns. 0 means that the permission
	// is a rule of its own.
	Rule int
}

// rule returns the rule number of the permission at index i of a list, as messages show it.
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

// Permissions is the list of a token's permissions. A verb is allowed on a channel if at least one
// permission allows it and none denies it; their order does not matter. Nil Permissions allow
// everything, as a token of Boreas 1.0 does; empty Permissions allow nothing.
//
// Permissions are immutable and safe for concurrent use.
type Permissions struct {
	list   []permission
	byUser bool // a pattern contains {user}
}

type permission struct {
	Permission
	pattern Pattern // the zero Pattern, which matches nothing, as long as {user} is not replaced
	byUser  bool
}

// NewPermissions checks and compiles permissions. Permissions with {user} match nothing until
// [Permissions.For] replaces it. The error says what is wrong and where.
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
			return nil, fmt.Errorf("rule %d: pattern %q: there is no placeholder %s: the only one is %s", perm.rule(i), perm.Pattern, word, userWord)
		}
		if byUser {
			p.byUser, pattern = true, Pattern{}
		}
		p.list[i] = permission{perm, pattern, byUser}
	}
	return p, nil
}

// unknownWord returns the first word in braces other than userWord, or "" if there is none. A
// misspelt word must be an error, above all in a rule that denies.
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

// For returns the permissions for the user with this name: {user} in the patterns is replaced by
// the name. A star in the name matches only a star, so no name can match the channels of others.
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

// userPattern returns the pattern with {user} replaced by the user's name. It returns the zero
// Pattern if no channel name can match.
func userPattern(text, user string) Pattern {
	if ValidUser(user) != nil {
		return Pattern{}
	}
	// Neither a pattern nor a name contains a control character, so one can stand for the stars of
	// the name.
	literal := strings.ReplaceAll(user, "*", string(literalStar))
	text = strings.ReplaceAll(text, userWord, literal)
	if len(strings.ReplaceAll(text, "*", "")) > MaxChannelName {
		return Pattern{}
	}
	return compile(text)
}

// ValidUser returns nil if name is a valid user name: 1 to [MaxUser] bytes of UTF-8 without control
// characters. Otherwise the error gives the reason.
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

// A Decision reports whether a verb is allowed, and which permission decided.
type Decision struct {
	Allowed bool

	// By is the number of the deciding permission, from 1. It is 0 if no permission matched and the
	// verb is denied, or if nil Permissions allowed it.
	By int
}

// Decide reports whether the verb is allowed on the channel. It allocates nothing.
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

// List returns the permissions that were given to [NewPermissions].
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

// Explain returns the reason of a decision on the verb in words, such as "rule 2: deny join on
// admin.**".
func (p *Permissions) Explain(verb Verb, d Decision) string {
	switch {
	case p == nil:
		return "the token has no rules, so it allows everything"
	case d.By == 0:
		return fmt.Sprintf("no rule allows %v on this channel", verb)
	default:
		e := p.list[d.By-1].Permission
		return fmt.Sprintf("rule %d: %v", e.rule(d.By-1), e)
	}
}
