package auth

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// Mint creates a classic token, which is valid at once and allows everything: 128 random letters
// and digits, a dash, and the time in Unix seconds. Key is the ID of the key that requested it,
// or "".
func (a *Authority) Mint(key string) (string, error) {
	token := newToken()
	l := &line{Op: opToken, ID: classicID(token), Hash: digestOf(token), Classic: true, Key: key}
	if a.options.KeepText {
		l.text = token
	}
	return token, a.create(l)
}

// Add adds a classic token of a provider, until the process ends. It does not change a token that is
// known already, and does not make a revoked token valid. The token has no time of issue, so every
// revocation with IssuedBefore revokes it. The error says why the text is not a token, or names the
// limit.
func (a *Authority) Add(token string) error {
	if err := check(token); err != nil {
		return err
	}
	l := &line{Op: opToken, ID: classicID(token), Hash: digestOf(token), Classic: true, provided: true}
	if a.options.KeepText {
		l.text = token
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	if a.state.byHash[l.Hash] != nil {
		return nil
	}
	if _, revoked := a.state.revocations.find(targetToken, l.ID, time.Now().UnixNano()); revoked {
		a.options.Log.Info("a token of the provider is not valid, because it was revoked", "token_id", l.ID)
		return nil
	}
	if err := a.tokenRoom(); err != nil {
		return err
	}
	return a.apply(l)
}

func (a *Authority) tokenRoom() error {
	return a.makeRoom(a.Len, a.options.MaxTokens, "tokens")
}

// create stores a new token. It sets the time of creation once it holds the lock: otherwise a
// revocation during the wait would revoke the token before its user receives it.
func (a *Authority) create(l *line) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	return a.change(l.Key, func() ([]*line, error) {
		if err := a.tokenRoom(); err != nil {
			return nil, err
		}
		l.Created, l.Serial = time.Now().UTC().Round(0), a.state.serial+1
		return []*line{l}, nil
	})
}

// All returns the classic tokens whose text is known, the oldest first. With [Options].KeepText
// these are the tokens that were created or added since [Open].
func (a *Authority) All() []string {
	a.mu.RLock()
	all := a.state.inOrder(func(t *stored) bool { return t.text != "" && a.ended(t) == nil })
	a.mu.RUnlock()
	tokens := make([]string, len(all))
	for i, t := range all {
		tokens[i] = t.text
	}
	return tokens
}

// Len returns the number of tokens that were created or added, including expired ones that are not
// removed yet.
func (a *Authority) Len() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.state.byHash)
}

// A Token describes an opaque or classic token, without its text.
type Token struct {
	ID      string
	User    string              // for a token without a user: the name that other users see
	Label   string              // for the operator
	Created time.Time           // zero if unknown
	Expires time.Time           // zero for never
	Rules   *access.Permissions // nil allows everything
	Info    string              // the user's presence info, as JSON; or ""
	Key     string              // ID of the API key that created it, or ""
	Classic bool                // a token as Boreas 1.0 has them
}

// CreateToken creates an opaque token with the user, label, expiry, rules, info and creator of t. It
// returns the text of the token, which it does not keep. Errors: [fault.Malformed], [fault.TooManyStored],
// [fault.NotStored]; [fault.InvalidKey] if t.Key is not valid any more.
func (a *Authority) CreateToken(t Token) (text string, made Token, err error) {
	if t.User != "" {
		if err := access.ValidUser(t.User); err != nil {
			return "", Token{}, malformed(err)
		}
	}
	if err := checkLabel(t.Label); err != nil {
		return "", Token{}, err
	}
	if err := checkEnd("expires", t.Expires); err != nil {
		return "", Token{}, err
	}
	info, err := boreas.NewInfo([]byte(t.Info))
	if err != nil {
		return "", Token{}, fault.Malformed.With("The token's info is " + whyNoInfo(err) + ".")
	}
	text = newSecret(tokenPrefix)
	l := &line{
		Op: opToken, ID: newID(tokenIDPrefix), Hash: digestOf(text), User: t.User, Label: t.Label,
		Expires: wallTime(t.Expires), Info: json.RawMessage(info), Key: t.Key, rules: t.Rules,
	}
	if t.Rules != nil {
		l.Rules = AppendRules(nil, t.Rules)
	}
	if err := a.create(l); err != nil {
		return "", Token{}, err
	}
	made = t
	made.Info = info
	made.ID, made.User, made.Created, made.Expires, made.Classic = l.ID, a.state.grant(l).User, l.Created, l.Expires, false
	return text, made, nil
}

// Token returns the token with the ID. The error is [fault.NoToken], also for a token that has expired
// or is revoked, and says so.
func (a *Authority) Token(id string) (Token, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	t, err := a.find(id)
	if err != nil {
		return Token{}, err
	}
	return t.token(), nil
}

// find returns the valid token with an ID. The caller holds mu or writing.
func (a *Authority) find(id string) (*stored, error) {
	t := a.state.tokens.get(id)
	if t == nil {
		return nil, fault.NoToken
	}
	switch fault.Of(a.ended(t)) {
	case nil:
		return t, nil
	case fault.TokenExpired:
		return nil, fault.NoToken.With(fmt.Sprintf("The token %s expired at %s.", id, stamp(t.grant.Expires)))
	default:
		return nil, fault.NoToken.With(fmt.Sprintf("The token %s is revoked.", id))
	}
}

// Tokens lists at most limit valid tokens in the order of their IDs, beginning after an ID. If user
// is not "", it lists the tokens of that user only. More reports whether there are further tokens.
func (a *Authority) Tokens(user, after string, limit int) (list []Token, more bool) {
	const listsAtOnce = 64 // between them, changes can lock the state
	for first := 0; first < len(a.state.tokens.lists); first += listsAtOnce {
		a.mu.RLock()
		for i := first; i < first+listsAtOnce; i++ {
			for _, t := range a.state.tokens.after(i, after) {
				if user != "" && t.grant.User != user || a.ended(t) != nil {
					continue
				}
				if len(list) >= limit {
					a.mu.RUnlock()
					return list, true
				}
				list = append(list, t.token())
			}
		}
		a.mu.RUnlock()
	}
	return list, false
}

// A TokenChange is a change of a token. Nil fields do not change.
type TokenChange struct {
	Label   *string
	Expires *time.Time
	Rules   **access.Permissions
	Key     string // ID of the API key that requests the change; "" if there is none
	Change  string // for [Authority.ApplyUpTo] of other authorities on the same [Store]; otherwise ""
}

// UpdateToken changes an opaque token. It returns the token's new grant: pass it to
// [boreas.Hub.Regrant]. The sessions must end up with the latest grant, so make one change and its
// Regrant before the next change. Errors: [fault.NoToken], [fault.Malformed], [fault.TooManyStored],
// [fault.NotStored]; [fault.InvalidKey] if change.Key is not valid any more.
func (a *Authority) UpdateToken(id string, change TokenChange) (Token, *access.Grant, error) {
	a.writing.Lock()
	defer a.writing.Unlock()
	err := a.change(change.Key, func() ([]*line, error) {
		l, err := a.changed(id, change)
		if err != nil {
			return nil, err
		}
		l.Change = change.Change
		return []*line{l}, nil
	})
	if err != nil {
		return Token{}, nil, err
	}
	t := a.state.tokens.get(id)
	return t.token(), t.grant, nil
}

// changed returns the line of a token with the change. The caller holds writing.
func (a *Authority) changed(id string, change TokenChange) (*line, error) {
	old, err := a.find(id)
	if err != nil {
		return nil, err
	}
	if old.classic() {
		return nil, fault.Malformed.With("Classic tokens cannot be changed: they allow everything and never expire. Delete this one, and make a token with rules.")
	}
	l := old.line()
	if change.Label != nil {
		if err := checkLabel(*change.Label); err != nil {
			return nil, err
		}
		l.Label = *change.Label
	}
	if change.Expires != nil {
		if err := checkEnd("expires", *change.Expires); err != nil {
			return nil, err
		}
		l.Expires = wallTime(*change.Expires)
	}
	if change.Rules != nil {
		l.rules, l.Rules = *change.Rules, nil
		if l.rules != nil {
			l.Rules = AppendRules(nil, l.rules)
		}
	}
	if change.Expires != nil || change.Rules != nil {
		l.Changed, err = a.changedBy(old, change.Key)
	}
	return l, err
}

// malformed returns a fault with the text of an error as a sentence.
func malformed(err error) error {
	text := err.Error()
	return fault.Malformed.With(strings.ToUpper(text[:1]) + text[1:] + ".")
}

// maxLabel is the maximum length of a label, in bytes.
const maxLabel = 255

func checkLabel(label string) error {
	switch {
	case len(label) > maxLabel:
		return fault.Malformed.With(fmt.Sprintf("The label has %d bytes, more than %d.", len(label), maxLabel))
	case !utf8.ValidString(label):
		return fault.Malformed.With("The label is not valid UTF-8.")
	case strings.ContainsFunc(label, unicode.IsControl):
		return fault.Malformed.With("The label has a control character.")
	}
	return nil
}

// checkEnd checks a time at which something is to end. The zero time is never.
func checkEnd(name string, at time.Time) error {
	switch {
	case at.IsZero():
		return nil
	case !time.Now().Before(at):
		return fault.Malformed.With(fmt.Sprintf("The time in %s, %s, is in the past. To end a token or key at once, delete or revoke it.", name, stamp(at)))
	case !inRange(at):
		return fault.Malformed.With(fmt.Sprintf("The time in %s is after the year 2261. Omit it for no expiry.", name))
	}
	return nil
}

// wallTime returns the time as it is stored, without its monotonic reading. An expiry is
// displayed and compared with other machines' clocks, so it follows this machine's clock when
// the clock is set, both before and after a restart.
func wallTime(t time.Time) time.Time { return t.UTC().Round(0) }

// stamp formats a time for messages.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
