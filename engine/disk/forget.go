package disk

// mayForget reports whether a channel without messages may be forgotten, whose last offset is next.
//
// When the directory is opened again, nothing else says how far the offsets of a forgotten channel
// went, or those of a channel that began after it in the same place of the table. So a note with a
// start of next or more must be on disk before. If there is none, mayForget makes the keeper write
// it, and the table asks again later.
func (e *Engine) mayForget(next uint64) bool {
	if next <= e.noted.Load() {
		return true
	}
	for wanted := e.wanted.Load(); wanted < next; wanted = e.wanted.Load() {
		if e.wanted.CompareAndSwap(wanted, next) {
			e.wakeKeeper()
		}
	}
	return false
}

// noteStart writes the note that mayForget waits for. The newest segment gets it, and there always
// is one: it is created when the directory is opened first. The start is not raised further than
// needed, because it ends the positions of clients of all channels without messages.
func (e *Engine) noteStart() error {
	wanted := e.wanted.Load()
	if wanted <= e.noted.Load() {
		return nil
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	all := e.allSegments()
	newest := all[len(all)-1]
	n := newest.note
	n.raise(note{start: wanted})
	return e.saveNote(newest, n)
}

// emptyHead returns the offset at which channels must start once messages are removed that are not
// kept: each of them may have been the last one of its channel.
func (e *Engine) emptyHead() uint64 { return max(e.table.EmptyHead(), e.movedHead) }
