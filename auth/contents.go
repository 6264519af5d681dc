package auth

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// contents are the stored part of a state at one moment. They do not change with the state.
type contents struct {
	tokens      []*stored
	keys        []*line
	revocations map[target]span
}

// contents returns the stored part of the state. It takes little time, because others wait for it.
func (s *state) contents() *contents {
	c := &contents{tokens: make([]*stored, 0, len(s.byHash)), revocations: maps.Clone(s.revocations.spans)}
	for _, t := range s.byHash {
		if !t.provided {
			c.tokens = append(c.tokens, t)
		}
	}
	for _, k := range s.keysInOrder() {
		c.keys = append(c.keys, k.line())
	}
	return c
}

// lines calls write with lines that produce the contents.
func (c *contents) lines(write func(*line) error) error {
	slices.SortFunc(c.tokens, func(a, b *stored) int { return cmp.Compare(a.serial, b.serial) })
	for _, t := range c.tokens {
		if err := write(t.line()); err != nil {
			return err
		}
	}
	for _, l := range c.keys {
		if err := write(l); err != nil {
			return err
		}
	}
	for t, s := range c.revocations {
		if err := write(revocationLine(t, s)); err != nil {
			return err
		}
	}
	return nil
}

// live returns the number of lines of a journal with the state.
func (s *state) live() int {
	return 1 + len(s.byHash) - s.provided + len(s.keyIDs) + s.revocations.len()
}

// lines calls write with the lines of a journal that produce the state.
func (s *state) lines(write func(*line) error) error {
	if err := write(&line{Op: opHead, Version: journalVersion, Lines: s.live()}); err != nil {
		return err
	}
	return s.contents().lines(write)
}

// sharedLines returns a function that calls write with the lines of a shared store that produce the
// state as it is now. Serial numbers go on where they are: authorities compare them.
func (s *state) sharedLines() func(write func(text []byte) error) error {
	names, c := s.names, s.contents()
	first := &line{Op: opNames, Names: &names, Serial: s.serial}
	return func(write func(text []byte) error) error {
		marshal := func(l *line) error {
			text, err := json.Marshal(l)
			if err != nil {
				return err
			}
			return write(text)
		}
		if err := marshal(first); err != nil {
			return err
		}
		return c.lines(marshal)
	}
}
