package disk

// spareFiles is the number of files beside those of the messages that are kept: the lock, the
// directory, the segment that is written, a segment that is rewritten with its copy, and hints.
const spareFiles = 8

// MaxFiles returns how many files an engine with these options has open at the same time, at most.
func (o Options) MaxFiles() int {
	s := o.settings()
	return int(s.Disk/s.segment) + sealParts + spareFiles
}
