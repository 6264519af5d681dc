package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

// fileSystem is what the engine uses of a file system. Tests replace it.
type fileSystem interface {
	// Names returns the names of the files in a directory.
	Names(dir string) ([]string, error)

	// Open opens a file for reading and writing. If create is set, the file must not exist.
	Open(name string, create bool) (file, error)

	// Rename replaces the file to by the file from.
	Rename(from, to string) error

	// Remove removes a file.
	Remove(name string) error

	// SyncDir waits until the disk has the names of a directory's files.
	SyncDir(dir string) error

	// Free returns the number of bytes that this process may still write, or -1 if it is unknown.
	Free(dir string) int64
}

// file is what the engine uses of a file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Allocate gives the file the size, and reserves the space for it on the disk. It fails with
	// errors.ErrUnsupported if the file system cannot do that.
	Allocate(size int64) error

	// Size returns the size of the file.
	Size() (int64, error)

	// Sync waits until the disk has the file's content and size.
	Sync() error

	// Truncate cuts the file to the size.
	Truncate(size int64) error
}

// osFileSystem is the file system of the operating system.
type osFileSystem struct{}

func (osFileSystem) Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (osFileSystem) Open(name string, create bool) (file, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFileSystem) Rename(from, to string) error { return os.Rename(from, to) }

func (osFileSystem) Remove(name string) error {
	err := os.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (osFileSystem) SyncDir(dir string) error { return dirlock.Sync(dir) }

func (osFileSystem) Free(dir string) int64 { return freeBytes(dir) }

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Allocate(size int64) error { return allocate(f.File, size) }

func (f osFile) Sync() error { return syncData(f.File) }
