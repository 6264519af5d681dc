package boreastest

import (
	"fmt"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Text is a wire format for humans. It has one line for each publication ("news 1 {...}": channel,
// offset, data), ping ("ping") and end ("end: reason").
type Text struct{}

// AppendPublication implements [boreas.Format].
func (Text) AppendPublication(dst []byte, channel string, _ uint64, p *engine.Publication) []byte {
	return fmt.Appendf(dst, "%s %d %s\n", channel, p.Offset, p.Data)
}

// AppendPing implements [boreas.Format].
func (Text) AppendPing(dst []byte) []byte { return append(dst, "ping\n"...) }

// AppendEnd implements [boreas.Format].
func (Text) AppendEnd(dst []byte, reason error) []byte {
	return fmt.Appendf(dst, "end: %v\n", reason)
}

// Announcing is Text with lines for gaps ("news gap slow 3-7"), presence ("news presence {...}"),
// the expiry of tokens ("expiring in 30s") and goodbyes ("goodbye in 2s: reason").
type Announcing struct{ Text }

// AppendGap implements [boreas.NoticeFormat].
func (Announcing) AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	return fmt.Appendf(dst, "%s gap %s %d-%d\n", channel, g.Reason, g.From.Offset, g.To.Offset)
}

// AppendPresence implements [boreas.NoticeFormat].
func (Announcing) AppendPresence(dst []byte, channel string, event []byte) []byte {
	return fmt.Appendf(dst, "%s presence %s\n", channel, event)
}

// AppendExpiring implements [boreas.NoticeFormat].
func (Announcing) AppendExpiring(dst []byte, _ time.Time, within time.Duration) []byte {
	return fmt.Appendf(dst, "expiring in %v\n", within)
}

// AppendGoodbye implements [boreas.NoticeFormat].
func (Announcing) AppendGoodbye(dst []byte, reason error, within time.Duration) []byte {
	return fmt.Appendf(dst, "goodbye in %v: %v\n", within, reason)
}

// Personal is Announcing with the session's positions. It ends the line of each publication and gap
// with the session's new offset on each of Channels: "news 1 {...} @1,0".
type Personal struct {
	Announcing
	Channels *[]string
}

// At implements [boreas.SessionFormat].
func (p Personal) At(positions func(string) engine.Position) boreas.NoticeFormat {
	a := &personalAt{channels: *p.Channels, at: make(map[string]uint64)}
	for _, c := range a.channels {
		a.at[c] = positions(c).Offset
	}
	return a
}

type personalAt struct {
	Announcing
	channels []string
	at       map[string]uint64
}

func (p *personalAt) mark(dst []byte, channel string, offset uint64) []byte {
	p.at[channel] = offset
	dst = append(dst[:len(dst)-1], " @"...)
	for i, c := range p.channels {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = fmt.Append(dst, p.at[c])
	}
	return append(dst, '\n')
}

// AppendPublication implements [boreas.Format].
func (p *personalAt) AppendPublication(dst []byte, channel string, epoch uint64, pub *engine.Publication) []byte {
	return p.mark(p.Text.AppendPublication(dst, channel, epoch, pub), channel, pub.Offset)
}

// AppendGap implements [boreas.NoticeFormat].
func (p *personalAt) AppendGap(dst []byte, channel string, g boreas.Gap) []byte {
	return p.mark(p.Announcing.AppendGap(dst, channel, g), channel, g.To.Offset)
}
