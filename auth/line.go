package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/boreas-pubsub/boreas/v2/access"
)

// A line is one change in a [Store], as a JSON object. It contains tokens and keys only as hashes. The
// same lines in the same order produce the same state.
type line struct {
	Op      string          `json:"op"` // one of the constants below
	Version int             `json:"version,omitzero"`
	Lines   int             `json:"lines,omitzero"` // of the head: the number of lines that the file was written with
	ID      string          `json:"id,omitzero"`    // of the token or key
	Hash    digest          `json:"hash,omitzero"`
	Classic bool            `json:"classic,omitzero"`
	User    string          `json:"user,omitzero"`
	Label   string          `json:"label,omitzero"` // or the key's name
	Verbs   []string        `json:"verbs,omitempty"`
	On      []string        `json:"channels,omitempty"`
	Created time.Time       `json:"created,omitzero"`
	Expires time.Time       `json:"expires,omitzero"`
	Rules   json.RawMessage `json:"rules,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`    // of a token
	Key     string          `json:"key,omitzero"`      // ID of the key that created it
	Changed []string        `json:"changed,omitempty"` // of a token: IDs of other keys that set its rules or expiry
	Used    time.Time       `json:"used,omitzero"`
	Revoked bool            `json:"revoked,omitzero"`
	Target  target          `json:"mark,omitzero"`
	Before  time.Time       `json:"before,omitzero"`
	Own     time.Time       `json:"own,omitzero"`    // of a revocation with a serial: span.own, zero for none
	Serial  uint64          `json:"serial,omitzero"` // of a token or revocation
	Until   time.Time       `json:"until,omitzero"`
	Grace   int64           `json:"grace,omitzero"`  // of a revocation: seconds for sessions on other servers
	Change  string          `json:"change,omitzero"` // see Revocation.Change
	Names   *nameKey        `json:"names,omitzero"`  // for all authorities on one store

	// Not stored.
	rules    *access.Permissions // Rules, parsed
	text     string              // of a classic token
	provided bool                // a provider's token, which is not stored
}

// Values of line.Op.
const (
	opHead     = "boreas"   // the first line of a journal
	opToken    = "token"    // a token was created or changed
	opDelete   = "delete"   // a token or key was deleted
	opKey      = "key"      // a key was created
	opUsed     = "used"     // a key was used
	opRevoke   = "revoke"   // something was revoked; if there is an ID, the token or key with it
	opUnrevoke = "unrevoke" // a revocation was canceled
	opNames    = "names"    // the key of users' names; of a store that authorities may share
)

// journalVersion increases when older servers would misread a journal. Version 1 had no checksums:
// the server reads such files, and rewrites them in this version.
const journalVersion = 2

// head1 is the first line of a journal of version 1.
const head1 = `{"op":"boreas","version":1}` + "\n"

// readLine reads an object. It refuses members that are unknown, repeated or written in another case,
// because an ignored member could have been a restriction.
func readLine(object []byte) (*line, error) {
	l := new(line)
	if err := jsonv2.Unmarshal(object, l, jsonv2.RejectUnknownMembers(true)); err != nil {
		var semantic *jsonv2.SemanticError
		if errors.As(err, &semantic) && semantic.Err != nil { // without Go's type names
			err = fmt.Errorf("%w at %q", semantic.Err, semantic.JSONPointer)
		}
		return nil, fmt.Errorf("it is not in the form that the server writes: %w", err)
	}
	for _, t := range []time.Time{l.Created, l.Expires, l.Used, l.Before, l.Own, l.Until} {
		if !inRange(t) {
			return nil, fmt.Errorf("the time %v is not plausible", t)
		}
	}
	return l, nil
}

// applyText applies a line as it is in the store.
func (s *state) applyText(text []byte) error {
	l, err := readLine(text)
	if err != nil {
		return err
	}
	return s.apply(l)
}

// apply changes the state as the line says.
func (s *state) apply(l *line) error {
	switch l.Op {
	case opToken:
		return s.putToken(l)
	case opKey:
		return s.putKey(l)
	case opUsed:
		if k := s.keyIDs[l.ID]; k != nil && l.Used.After(k.saved) {
			k.used.Store(max(k.used.Load(), l.Used.Unix()))
			k.saved = l.Used
		}
		return nil
	case opNames:
		if l.Names == nil || s.namesShared {
			return errors.New("there are two keys of users' names, or none")
		}
		s.names, s.namesShared = *l.Names, true
		s.serial = max(s.serial, l.Serial)
		return nil
	case opDelete:
		s.dropID(l.ID)
		return nil
	case opRevoke:
		return s.revoke(l)
	case opUnrevoke:
		s.revocations.remove(l.Target)
		return nil
	}
	return fmt.Errorf("unknown operation %.40q", l.Op)
}

func (s *state) revoke(l *line) error {
	if l.Target.kind() >= targetKinds {
		return errors.New("unknown kind of revocation")
	}
	if l.Target == (target{}) {
		return errors.New("a revocation names nothing to revoke")
	}
	s.revocations.put(l.Target, l.span())
	s.serial = max(s.serial, l.Serial)
	if k := s.keyIDs[l.ID]; k != nil {
		k.revoked = true
	} else {
		s.dropID(l.ID)
	}
	return nil
}

// span returns the span of a revocation's line. A line without a serial number was written by an
// older server, or applies to a time in the past.
func (l *line) span() span {
	s := span{before: nanos(l.Before), own: nanos(l.Before), serial: l.Serial, until: nanos(l.Until)}
	if s.serial != 0 {
		if s.own = nanos(l.Own); l.Own.IsZero() {
			s.own = -forever
		}
	}
	return s
}

// revocationLine returns the line that produces the span.
func revocationLine(t target, s span) *line {
	l := &line{Op: opRevoke, Target: t, Before: timeOf(s.before), Serial: s.serial, Until: timeOf(s.until)}
	if s.serial != 0 && s.own != -forever {
		l.Own = timeOf(s.own)
	}
	return l
}

func (s *state) dropID(id string) {
	if t := s.tokens.get(id); t != nil {
		s.dropToken(t)
	}
	if k := s.keyIDs[id]; k != nil {
		s.dropKey(k)
	}
}

// inRange reports whether t is zero or can be expressed in Unix nanoseconds. It looks at the year in
// UTC, because times are stored in UTC: a time that is accepted here must also be accepted when it is
// read again, otherwise the server does not start.
func inRange(t time.Time) bool {
	year := t.UTC().Year()
	return t.IsZero() || year >= 1970 && year < 2262
}
