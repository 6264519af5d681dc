package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// ParseRules reads the rules of a token: a JSON list of objects with the members "channels", "allow"
// and "deny". A rule for several channels becomes one permission per channel, in their order. For
// the JSON null it returns nil, which allows everything; a caller that does not want this must check
// for null first. Unknown members are errors, because a misspelt "deny" must not be ignored. The
// error says what is wrong, and where.
func ParseRules(text []byte) (*access.Permissions, error) {
	// The decoder refuses repeated members, and text that is not UTF-8.
	d := jsontext.NewDecoder(bytes.NewReader(text))
	switch d.PeekKind() {
	case 'n':
		if _, err := d.ReadToken(); err != nil {
			return nil, rulesError(err)
		}
		return nil, atEnd(d)
	case '[':
		d.ReadToken()
	default:
		if _, err := d.ReadToken(); err != nil {
			return nil, rulesError(err)
		}
		return nil, errors.New("the rules are not a JSON list")
	}
	list := []access.Permission{}
	for n := 1; d.PeekKind() != ']'; n++ {
		var err error
		if list, err = appendRule(list, d, n); err != nil {
			return nil, err
		}
		if len(list) > access.MaxPermissions {
			return nil, fmt.Errorf("rule %d: all rules together have more than %d channels", n, access.MaxPermissions)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, rulesError(err)
	}
	if err := atEnd(d); err != nil {
		return nil, err
	}
	return access.NewPermissions(list)
}

// ParseDefaultRules reads [JWTOptions].DefaultRules. It returns nil if the text is empty. The error
// says what is wrong, and where.
func ParseDefaultRules(text string) (*access.Permissions, error) {
	if text == "" {
		return nil, nil
	}
	rules, err := ParseRules([]byte(text))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the default rules of JWTs: %w", err)
	case rules == nil:
		return nil, errors.New(`the default rules of JWTs are null: to allow everything, say [{"channels":["**"],"allow":["join","publish","history","presence"]}]`)
	}
	return rules, nil
}

func atEnd(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("there is more text after the rules")
	}
	return nil
}

// appendRule reads the next rule, which has the number n.
func appendRule(list []access.Permission, d *jsontext.Decoder, n int) ([]access.Permission, error) {
	fail := func(err error) ([]access.Permission, error) { return nil, fmt.Errorf("rule %d: %w", n, err) }
	t, err := d.ReadToken()
	if err != nil {
		return fail(rulesError(err))
	}
	if t.Kind() != '{' {
		return fail(fmt.Errorf("it is not an object: want {%q:[…],%q:[…]}", "channels", "allow"))
	}
	var rule struct{ channels, allow, deny []string }
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return fail(rulesError(err))
		}
		member := map[string]*[]string{"channels": &rule.channels, "allow": &rule.allow, "deny": &rule.deny}[name.String()]
		if member == nil {
			return fail(fmt.Errorf("there is no member %.40q: the members are channels, allow, deny", name.String()))
		}
		if *member, err = readStrings(d, name.String()); err != nil {
			return fail(err)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return fail(rulesError(err))
	}
	if len(rule.channels) == 0 {
		return fail(errors.New(`it names no channels: "channels" is a list of patterns`))
	}
	allow, err := verbs(rule.allow)
	if err != nil {
		return fail(fmt.Errorf("allow: %w", err))
	}
	deny, err := verbs(rule.deny)
	if err != nil {
		return fail(fmt.Errorf("deny: %w", err))
	}
	for _, pattern := range rule.channels {
		p := access.Permission{Pattern: pattern, Allow: allow, Deny: deny, Rule: n}
		if _, err := access.NewPermissions([]access.Permission{p}); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// readStrings reads a list of strings, which is the value of the member.
func readStrings(d *jsontext.Decoder, member string) ([]string, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, rulesError(err)
	}
	if t.Kind() != '[' {
		return nil, fmt.Errorf("%s is not a list of strings", member)
	}
	list := []string{}
	for d.PeekKind() != ']' {
		t, err := d.ReadToken()
		if err != nil {
			return nil, rulesError(err)
		}
		if t.Kind() != '"' {
			return nil, fmt.Errorf("%s is not a list of strings", member)
		}
		if len(list) == access.MaxPermissions {
			return nil, fmt.Errorf("%s has more than %d strings", member, access.MaxPermissions)
		}
		list = append(list, t.String())
	}
	_, err = d.ReadToken()
	return list, rulesError(err)
}

func verbs(names []string) (access.Verb, error) {
	var set access.Verb
	for _, name := range names {
		verb, err := access.ParseVerb(name)
		if err != nil {
			return 0, err
		}
		set |= verb
	}
	return set, nil
}

// rulesError returns an error with the place where the text stops being JSON. It does not repeat the
// text.
func rulesError(err error) error {
	var syntactic *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("a member occurs twice")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON of the rules ends too early")
	case errors.As(err, &syntactic):
		return fmt.Errorf("not valid JSON at byte %d of the rules", syntactic.ByteOffset)
	default:
		return errors.New("the JSON of the rules ends too early")
	}
}

// AppendRules appends rules as [ParseRules] reads them. Nil becomes null. The permissions of one rule
// become one rule again, so that rules keep their numbers.
func AppendRules(dst []byte, p *access.Permissions) []byte {
	if p == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	list := p.List()
	for i, e := range list {
		if i > 0 && sameRule(list[i-1], e) {
			dst = append(dst, ',')
		} else {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"channels":[`...)
		}
		dst, _ = jsontext.AppendQuote(dst, e.Pattern) // a pattern is UTF-8
		if i+1 < len(list) && sameRule(e, list[i+1]) {
			continue
		}
		dst = append(dst, ']')
		dst = appendVerbs(dst, "allow", e.Allow)
		dst = appendVerbs(dst, "deny", e.Deny)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func sameRule(a, b access.Permission) bool {
	return a.Rule == b.Rule && a.Allow == b.Allow && a.Deny == b.Deny
}

// appendVerbs appends a member, unless the set is empty.
func appendVerbs(dst []byte, member string, set access.Verb) []byte {
	if set == 0 {
		return dst
	}
	names := strings.ReplaceAll(set.String(), ", ", `","`)
	return append(dst, `,"`+member+`":["`+names+`"]`...)
}
