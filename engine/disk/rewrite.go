package disk

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const (
	// sortBytes is how many bytes of messages are in memory while a segment is sorted. The segment is
	// read once for each of these parts.
	sortBytes = 8 << 20

	// writeBytes is how many bytes are written at once to a new file.
	writeBytes = 1 << 20
)

// A group has the messages of a channel that are copied to another file, in the order of their
// offsets. Their slots are not used.
type group struct {
	name      string
	addresses []address

	// The purge before these messages, if purged is not 0: its offset, and the channel's number.
	purged uint64
	number uint32
}

// A rewrite copies messages of a segment to a new file, sorted by channel. It copies each record as
// it is, and checks it before.
type rewrite struct {
	from *scanner
	to   file
	part int64               // bytes of messages that are in memory at once
	pace func(n int64) error // called before n bytes are written
	size int64               // written to the new file
	out  []byte              // to be written next
}

// A picked record is copied with others.
type picked struct {
	group int
	place int64 // in the old file, or -1 for the purge of the group
	at, n int   // in memory
}

// write writes the whole file. Newest is the time of the newest message by the wall clock. The error
// is a [DamageError] if a record of the old file is damaged.
func (w *rewrite) write(h header, newest int64, groups []group, large map[int64]int64) error {
	h.flags = flagRewritten
	w.out = h.append(w.out)
	w.out = appendMark(w.out, mark{time: newest, synced: h.base})
	var picks []picked
	var bytes int64
	last := written{group: -1}
	for g, group := range groups {
		if group.purged > 0 {
			picks = append(picks, picked{group: g, place: -1})
		}
		for _, a := range group.addresses {
			picks = append(picks, picked{group: g, place: placeOf(a)})
			if bytes += messageOverhead + dataSize(a, large); bytes >= w.part {
				if err := w.copy(groups, picks, &last); err != nil {
					return err
				}
				picks, bytes = picks[:0], 0
			}
		}
	}
	if err := w.copy(groups, picks, &last); err != nil {
		return err
	}
	w.out = appendEnd(w.out)
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.to.Sync(); err != nil {
		return fmt.Errorf("wait until the disk has the new file: %w", err)
	}
	return nil
}

// dataSize returns the size of a message's data. Large has those that an address cannot hold.
func dataSize(a address, large map[int64]int64) int64 {
	if n := int64(a & (1<<sizeBits - 1)); n > 0 {
		return n
	}
	return large[placeOf(a)]
}

// written is the channel of the last message that was written.
type written struct {
	group  int
	number uint32
}

// copy copies records: it reads them in the order of the old file, and writes them in their own.
func (w *rewrite) copy(groups []group, picks []picked, last *written) error {
	byPlace := make([]int32, len(picks))
	for i := range byPlace {
		byPlace[i] = int32(i)
	}
	slices.SortFunc(byPlace, func(a, b int32) int { return int(picks[a].place - picks[b].place) })
	var records []byte
	for _, i := range byPlace {
		p := &picks[i]
		if p.place < 0 {
			continue
		}
		kind, _, n, err := w.from.record(p.place)
		switch {
		case err != nil && isReadError(err):
			return err
		case err == nil && kind != messageRecord:
			err = errRecord
			fallthrough
		case err != nil:
			return w.from.damage(p.place, "%v", err)
		}
		b, err := w.from.at(p.place, n)
		if err != nil {
			return err
		}
		p.at, p.n = len(records), len(b)
		records = append(records, b...)
	}
	for i := range picks {
		p := &picks[i]
		if p.place < 0 {
			g := &groups[p.group]
			w.define(groups, written{p.group, g.number}, last)
			w.out = appendPurge(w.out, g.number, g.purged)
			continue
		}
		record := records[p.at:][:p.n]
		number, n := binary.Uvarint(record[recordHead+1:])
		if n <= 0 || number > math.MaxUint32 {
			return w.from.damage(p.place, "%v", errRecord)
		}
		w.define(groups, written{p.group, uint32(number)}, last)
		w.out = append(w.out, record...)
		if len(w.out) >= writeBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// define writes the name of the channel of the next record, if the last record was of another one.
func (w *rewrite) define(groups []group, next written, last *written) {
	if next != *last {
		*last = next
		w.out = appendDefine(w.out, next.number, groups[next.group].name)
	}
}

// flush writes to the new file.
func (w *rewrite) flush() error {
	if w.pace != nil {
		if err := w.pace(int64(len(w.out))); err != nil {
			return err
		}
	}
	if _, err := w.to.WriteAt(w.out, w.size); err != nil {
		return fmt.Errorf("write the new file: %w", err)
	}
	w.size += int64(len(w.out))
	w.out = w.out[:0]
	return nil
}
