package disk

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// pageSize is the unit of what a loss of power keeps or takes of unsynced data: a sector.
const pageSize = 512

// errPowerLost is the result of every call after a loss of power.
var errPowerLost = errors.New("the power is off")

// A faultFS is a file system in memory that fails on request, and can lose its power. What
// was not synced then survives in part: any subset of the pages, each in any version that was
// written since, any of the file's sizes, and any subset of the changes to the directory.
type faultFS struct {
	mu      sync.Mutex
	rng     *rand.Rand
	names   map[string]*inode // what a process sees
	onDisk  map[string]*inode // what the disk has
	changes []change          // of the directory since it was synced
	faults  map[string]*injected
	calls   int            // so far
	counts  map[string]int // the same by operation
	crashAt int            // the call in which the power is lost, 0 for none
	off     bool
	removed int64 // bytes of removed files that are still in use

	capacity    int64 // bytes of all files, 0 for no limit
	cannotAlloc bool  // the file system cannot reserve space
	freeLater   bool  // the space of removed files stays in use

	onSegment func() // called with mu when a file gets the name of a segment
	onWrite   func() // called before a write, without mu

	inOrder bool // changes to the directory survive in order, as on a file system with a journal
}

// An injected fault is returned by the next calls of an operation.
type injected struct {
	err   error
	skip  int // calls that succeed before
	times int
}

// A change is a name that was given to a file or removed.
type change struct {
	add    string // "" if none
	remove string // "" if none
	inode  *inode
}

// An inode is a file. The content and size on disk may be older ones.
type inode struct {
	content []byte
	disk    []byte
	dirty   map[int64][][]byte // versions of pages that were written since the last sync
	sizes   []int64            // sizes that the file had since
}

func newFaultFS(seed uint64) *faultFS {
	return &faultFS{
		rng: rand.New(rand.NewPCG(seed, 1)), names: map[string]*inode{}, onDisk: map[string]*inode{}, faults: map[string]*injected{}, counts: map[string]int{},
	}
}

// inject makes the next calls of an operation fail, after some that succeed.
func (f *faultFS) inject(op string, err error, skip, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[op] = &injected{err, skip, times}
}

// crashAfter makes the power go off in the nth call from now on, or never if n is 0.
func (f *faultFS) crashAfter(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crashAt = 0; n > 0 {
		f.crashAt = f.calls + n
	}
}

// setCapacity changes the size of the disk.
func (f *faultFS) setCapacity(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = n
}

// count returns how often an operation was called.
func (f *faultFS) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[op]
}

// used returns the bytes of all files. The caller holds mu.
func (f *faultFS) used() (n int64) {
	for _, i := range f.names {
		n += int64(len(i.content))
	}
	return n + f.removed
}

// call counts a call, and returns the error that was injected. The caller holds mu.
func (f *faultFS) call(op string) error {
	if f.off {
		return errPowerLost
	}
	f.calls++
	f.counts[op]++
	if f.calls == f.crashAt {
		f.off = true
		return errPowerLost
	}
	if i := f.faults[op]; i != nil {
		if i.skip--; i.skip < 0 && i.times > 0 {
			i.times--
			return i.err
		}
	}
	return nil
}

// reboot returns the file system as it is after a loss of power.
func (f *faultFS) reboot() *faultFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
	after := newFaultFS(f.rng.Uint64())
	after.capacity, after.cannotAlloc, after.inOrder = f.capacity, f.cannotAlloc, f.inOrder
	names := maps.Clone(f.onDisk)
	for _, c := range f.changes {
		if f.rng.IntN(2) == 0 {
			if f.inOrder {
				break
			}
			continue
		}
		c.apply(names)
	}
	for name, i := range names {
		content := i.survivors(f.rng)
		survivor := &inode{content: content, disk: slices.Clone(content)}
		after.names[name], after.onDisk[name] = survivor, survivor
	}
	return after
}

func (c change) apply(names map[string]*inode) {
	if c.remove != "" {
		delete(names, c.remove)
	}
	if c.add != "" {
		names[c.add] = c.inode
	}
}

// survivors returns the content that a loss of power leaves.
func (i *inode) survivors(rng *rand.Rand) []byte {
	size := int64(len(i.disk))
	if n := rng.IntN(len(i.sizes) + 1); n > 0 {
		size = i.sizes[n-1]
	}
	content := make([]byte, size)
	copy(content, i.disk)
	for _, page := range slices.Sorted(maps.Keys(i.dirty)) {
		versions := i.dirty[page]
		if n := rng.IntN(len(versions) + 1); n > 0 && page*pageSize < size {
			copy(content[page*pageSize:], versions[n-1])
		}
	}
	return content
}

// Names implements [fileSystem].
func (f *faultFS) Names(string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("names"); err != nil {
		return nil, err
	}
	var names []string
	for name := range f.names {
		names = append(names, filepath.Base(name))
	}
	slices.Sort(names)
	return names, nil
}

// Open implements [fileSystem].
func (f *faultFS) Open(name string, create bool) (file, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("open"); err != nil {
		return nil, err
	}
	i := f.names[name]
	switch {
	case create && i != nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case !create && i == nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case create:
		i = &inode{}
		f.change(change{add: name, inode: i})
	}
	return &faultFile{fs: f, inode: i}, nil
}

func (f *faultFS) change(c change) {
	c.apply(f.names)
	f.changes = append(f.changes, c)
}

// Rename implements [fileSystem].
func (f *faultFS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("rename"); err != nil {
		return err
	}
	i := f.names[from]
	if i == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if f.onSegment != nil {
		f.onSegment()
	}
	f.change(change{add: to, remove: from, inode: i})
	return nil
}

// Remove implements [fileSystem].
func (f *faultFS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("remove"); err != nil {
		return err
	}
	if i := f.names[name]; i != nil {
		if f.freeLater {
			f.removed += int64(len(i.content))
		}
		f.change(change{remove: name})
	}
	return nil
}

// SyncDir implements [fileSystem].
func (f *faultFS) SyncDir(string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("syncdir"); err != nil {
		return err
	}
	f.onDisk, f.changes = maps.Clone(f.names), nil
	return nil
}

// Free implements [fileSystem].
func (f *faultFS) Free(string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.capacity == 0 {
		return -1
	}
	return max(f.capacity-f.used(), 0)
}

// A faultFile is an open file of a faultFS.
type faultFile struct {
	fs     *faultFS
	inode  *inode
	closed bool
}

// call is faultFS.call for a file. The caller holds fs.mu.
func (f *faultFile) call(op string) error {
	if f.closed {
		return fs.ErrClosed
	}
	return f.fs.call(op)
}

// resize changes the size, as far as there is room. The caller holds fs.mu.
func (f *faultFile) resize(size int64) error {
	i := f.inode
	old := int64(len(i.content))
	var err error
	if grow := size - old; grow > 0 && f.fs.capacity > 0 {
		if room := max(f.fs.capacity-f.fs.used(), 0); room < grow {
			size, err = old+room, syscall.ENOSPC
		}
	}
	if size < old {
		clear(i.content[size:])
		for page := size / pageSize; page*pageSize < old; page++ {
			f.keep(page)
		}
		i.content = i.content[:size]
	} else {
		i.content = append(i.content, make([]byte, size-old)...)
	}
	if size != old {
		i.sizes = append(i.sizes, size)
	}
	return err
}

// keep records the content of a page as one that may survive. The caller holds fs.mu.
func (f *faultFile) keep(page int64) {
	i := f.inode
	if i.dirty == nil {
		i.dirty = map[int64][][]byte{}
	}
	version := make([]byte, pageSize)
	copy(version, i.content[page*pageSize:])
	i.dirty[page] = append(i.dirty[page], version)
}

// WriteAt implements [file]. A write that fails has written a part.
func (f *faultFile) WriteAt(b []byte, at int64) (int, error) {
	if on := f.fs.onWrite; on != nil {
		on()
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed || f.fs.off {
		return 0, f.call("write")
	}
	err := f.call("write")
	if err != nil {
		b = b[:f.fs.rng.IntN(len(b)+1)]
	}
	if end := at + int64(len(b)); end > int64(len(f.inode.content)) {
		if full := f.resize(end); full != nil {
			err = errors.Join(err, full)
			b = b[:max(int64(len(f.inode.content))-at, 0)]
		}
	}
	copy(f.inode.content[min(at, int64(len(f.inode.content))):], b)
	for page := at / pageSize; page*pageSize < at+int64(len(b)); page++ {
		f.keep(page)
	}
	return len(b), err
}

// ReadAt implements [file].
func (f *faultFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call("read"); err != nil {
		return 0, err
	}
	if at >= int64(len(f.inode.content)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.content[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements [file].
func (f *faultFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return nil
}

// Allocate implements [file].
func (f *faultFile) Allocate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call("allocate"); err != nil {
		return err
	}
	if f.fs.cannotAlloc {
		return errors.ErrUnsupported
	}
	if size <= int64(len(f.inode.content)) {
		return nil
	}
	return f.resize(size)
}

// Size implements [file].
func (f *faultFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.inode.content)), f.call("size")
}

// Sync implements [file]. As in real systems, after a failed call the pages that were not written
// count as written: the next call succeeds without them.
func (f *faultFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed || f.fs.off {
		return f.call("sync")
	}
	i := f.inode
	err := f.call("sync")
	switch {
	case f.fs.off: // the power was lost just now
		return err
	case err != nil:
		i.disk = i.survivors(f.fs.rng)
	default:
		i.disk = slices.Clone(i.content)
	}
	i.dirty, i.sizes = nil, nil
	return err
}

// Truncate implements [file].
func (f *faultFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call("truncate"); err != nil {
		return err
	}
	return f.resize(size)
}
