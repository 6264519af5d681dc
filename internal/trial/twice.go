package trial

import (
	"context"
	"fmt"
	"time"
)

// twiceFor is the lifetime of a connection that only repeats a resume.
const twiceFor = time.Second

// resumeTwice resumes from the positions of s on another connection, while s resumes on its own.
// Both must receive the same.
func (t *trial) resumeTwice(ctx context.Context, s *raw) {
	s.mu.Lock()
	since := make(map[string]string)
	for name, c := range s.places {
		if c.since != "" {
			since[name] = c.since
		}
	}
	s.mu.Unlock()
	if len(since) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, twiceFor)
	defer cancel()
	token, err := s.token(ctx)
	if err != nil {
		return
	}
	ws, _, err := t.dialV2(ctx, s.proxy.Addr(), token)
	if err != nil {
		return
	}
	defer ws.Close()
	name := fmt.Sprintf("%s-twice-%d", s.name, t.count("resumed twice"))
	recordings := make(map[string]*recording)
	var joins []map[string]any
	for channel, at := range since {
		r := t.newRecording(name, channel, false)
		r.began(t.position(name, at), t.position(name, at), t.position(name, at))
		recordings[channel] = r
		joins = append(joins, map[string]any{"channel": channel, "since": at})
		defer r.left()
	}
	ws.Send(map[string]any{"id": 1, "join": map[string]any{"channels": joins}})
	for {
		f, err := ws.NextMessage()
		if err != nil {
			return
		}
		switch {
		case f.Join != nil:
			for _, result := range f.Join.Channels {
				if t.later(result.Error) {
					return
				}
				if result.Error != nil {
					t.unexpected(name, result.Channel, "a resume was refused: %s", result.Error.Code)
					continue
				}
				t.joined(name, recordings[result.Channel], since[result.Channel], t.position(name, since[result.Channel]), result)
			}
		case f.Gap != nil:
			recordings[f.Channel].missed(t.gap(name, f.Gap))
		case f.Message != nil && recordings[f.Channel] != nil:
			recordings[f.Channel].got(f.Message, t.position(name, f.Position))
		}
	}
}
