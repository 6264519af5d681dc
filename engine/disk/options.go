package disk

import (
	"log/slog"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/internal/channellog"
)

// Options of an [Engine]. The zero value works.
type Options struct {
	// Messages is the maximum number of publications that a channel keeps. 0 means
	// [DefaultMessages]; a negative number means that it keeps none.
	Messages int

	// Bytes is the maximum number of bytes of messages that a channel keeps. 0 means
	// [DefaultBytes]. The newest publication is kept whatever its size.
	Bytes int64

	// Age is how long a publication is kept. 0 means [DefaultAge]. When old publications have been
	// sorted by channel, the engine knows only when the newest of them was published. So it may keep
	// some for about Age/8 longer, but none more than twice as long as its channel allows.
	Age time.Duration

	// Memory is a ceiling for the bytes of memory of all channels together: the newest
	// publications, the index of the others, and keys. Above it the engine frees the oldest
	// publications in memory, which stay on disk. If the index alone takes more than half of it,
	// the oldest segment is dropped. 0 means [DefaultMemory].
	Memory int64

	// Limits returns a channel's own limits. Those that are not zero replace Messages, Bytes and
	// Age. It is called from many goroutines at once, and must always return the same for a
	// channel. Nil means that all channels have the same limits.
	Limits func(channel string) engine.Retention

	// InMemory reports whether the publications of a channel are only kept in memory. It is called
	// from many goroutines at once, and must always return the same for a channel. Nil means that
	// all channels are on disk. A channel that keeps no publications is never on disk.
	InMemory func(channel string) bool

	// KeyWindow is how long an idempotency key is remembered. 0 means [DefaultKeyWindow]. If it is
	// negative, keys have no effect.
	KeyWindow time.Duration

	// SyncInterval is how often the engine waits until the disk has what was written. 0 means
	// before each acknowledgement. A longer interval makes a publisher wait less on a slow disk; a
	// loss of power may then lose the publications of that time, which the engine tells when it is
	// opened again.
	SyncInterval time.Duration

	// Disk is a ceiling for the size of all segments. Above it the engine drops the oldest segment
	// with the publications in it. 0 means [DefaultDisk].
	Disk int64

	// DiskFree is how many bytes of the file system the engine leaves to others. Below it the
	// engine drops the oldest segments; when only one is left it refuses publications with
	// [engine.ErrStorageFull]. 0 means [DefaultDiskFree], a negative number means none.
	DiskFree int64

	// Logger receives what an operator should know. Nil means that nothing is logged.
	Logger *slog.Logger

	// Progress, if not nil, is called from one goroutine while the directory is read, with the
	// bytes that were read so far and the bytes of all segments.
	Progress func(read, all int64)
}

// Defaults of [Options].
const (
	DefaultMessages  = channellog.DefaultMessages
	DefaultBytes     = channellog.DefaultBytes
	DefaultAge       = 24 * time.Hour
	DefaultMemory    = channellog.DefaultMemory
	DefaultKeyWindow = channellog.DefaultKeyWindow
	DefaultDisk      = 4 << 30
	DefaultDiskFree  = 256 << 20
)

// Opened describes how a directory was found when it was opened, for an operator.
type Opened struct {
	Dir      string // absolute
	Created  bool   // the directory had no log; the epoch is new
	Epoch    uint64
	Lives    int  // how many times the log may have lost its end since it was created; see [Options.SyncInterval]
	Lost     bool // this opening is one of them
	Segments int
	Bytes    int64 // of the segments
	Messages int64 // publications that are kept
	Channels int64
	Cut      int64 // bytes of a torn batch at the end, which was never acknowledged
	Keys     int64 // keys that are remembered
	KeysLost int64 // keys that would be remembered, but for Options.Memory
	Took     time.Duration
}
