package channellog

import (
	"math"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

// Bounds returns a history without publications, and the error of the position since or of the
// limit.
func Bounds(epoch, floor, head uint64, since engine.Position, limit engine.Limit) (engine.History, error) {
	h := engine.History{Floor: engine.Position{Epoch: epoch, Offset: floor}, Head: engine.Position{Epoch: epoch, Offset: head}}
	switch {
	case !since.IsZero() && since.Epoch != epoch:
		return h, engine.ErrUnknownEpoch
	case since.Offset > head || Ahead(limit, head):
		return h, engine.ErrAhead
	case !since.IsZero() && since.Offset < floor:
		return h, engine.ErrExpired
	}
	return h, nil
}

// Bounds returns a history of the log without publications, and the error of the position since or of
// the limit. The log is locked.
func (l *Log) Bounds(epoch uint64, since engine.Position, limit engine.Limit) (engine.History, error) {
	h, err := Bounds(epoch, l.floor, l.head, since, limit)
	if err == engine.ErrExpired && since.Offset < l.purged {
		err = engine.ErrPurged
	}
	return h, err
}

// Ahead reports whether the limit has an offset that is after the head.
func Ahead(limit engine.Limit, head uint64) bool {
	return limit.Before > head && limit.Before != math.MaxUint64
}

// Select returns a copy of those publications after since that the limit allows, and the More of
// their [engine.History]. Pubs are in the order of their offsets.
func Select(pubs []*engine.Publication, since uint64, limit engine.Limit) (selected []*engine.Publication, more bool) {
	pubs = engine.After(pubs, since)
	if limit.Before > 0 {
		pubs = pubs[:len(pubs)-len(engine.After(pubs, limit.Before-1))]
	}
	from, to, more := Within(len(pubs), limit, func(i int) int64 { return int64(len(pubs[i].Data)) })
	return append([]*engine.Publication(nil), pubs[from:to]...), more
}

// Within returns which of n publications the limit allows: those with the indexes from up to to,
// without to. More is that of their [engine.History]. All n are after the position of the read and
// before [engine.Limit.Before]. Limit.Messages is not 0. Size returns the size of a publication's
// data.
func Within(n int, limit engine.Limit, size func(i int) int64) (from, to int, more bool) {
	full := func(bytes int64) bool { return limit.Bytes > 0 && bytes >= int64(limit.Bytes) }
	var bytes int64
	if limit.Before > 0 {
		least := max(n-limit.Messages, 0)
		for from = n; from > least && !full(bytes); from-- {
			bytes += size(from - 1)
		}
		return from, n, from > 0
	}
	most := n
	if limit.Messages < 0 {
		from = max(n+limit.Messages, 0)
	} else {
		most = min(n, limit.Messages)
	}
	for to = from; to < most && !full(bytes); to++ {
		bytes += size(to)
	}
	return from, to, to < n
}
