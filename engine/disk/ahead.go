package disk

// aheadBytes is how many zeros the writer writes after a batch, and aheadBatch is the size in bytes of
// a batch that it considers small.
const (
	aheadBytes = 256 << 10
	aheadBatch = 16 << 10
)

// writeAhead writes zeros after a small batch, once in a while. The space there is reserved and reads
// as zeros already. But the first write to reserved space also changes the file system's own records,
// which the disk then has to get with each batch: on ext4 that takes three times as long as a write to
// a place that was written before, and more bytes than a small batch has. A failure does not matter.
func (e *Engine) writeAhead(batch int) {
	w, s := &e.writer, e.writer.last
	n := min(aheadBytes, int64(s.limit)-s.size)
	if s.size <= w.ahead || batch > aheadBatch || n <= 0 || s.flags&flagAllocated == 0 {
		return
	}
	if w.zeros == nil {
		w.zeros = make([]byte, aheadBytes)
	}
	if _, err := s.file.WriteAt(w.zeros[:n], s.size); err == nil {
		w.ahead = s.size + n
	}
}
