package disk

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/boreas-pubsub/boreas/v2/engine"
)

var errTooManySegments = errors.New("there are 65,536 files of messages already: raise history_disk or lower history_age")

// errNoRoom means that writing would leave less than Options.DiskFree to others.
var errNoRoom = errors.New("less than disk_free would be left on the disk")

// isFull reports whether a write has failed because there is no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) || errors.Is(err, errNoRoom) || isFullHere(err)
}

// isTemporary reports whether nothing was written, and a later attempt may succeed.
func isTemporary(err error) bool {
	return isFull(err) || isOutOfFiles(err)
}

// isOutOfFiles reports whether a segment was not created because there are too many files.
func isOutOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, errTooManySegments)
}

// complaintPeriod is how often a complaint is logged, at most.
const complaintPeriod = time.Minute

// A complaint is logged at most once in each complaintPeriod.
type complaint struct {
	mu   sync.Mutex
	last time.Time
}

func (c *complaint) say(log func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.last.IsZero() || now.Sub(c.last) >= complaintPeriod {
		c.last = now
		log()
	}
}

// fullError returns the error for publishers whose messages were refused because of a temporary
// error, and logs it.
func (e *Engine) fullError(err error) error {
	remedy := "Free some space, or lower history_disk"
	if isOutOfFiles(err) {
		remedy = "Raise the limit of open files of the process"
	}
	e.complaints.full.say(func() {
		e.log.Error("no room on disk: publications are refused for now. "+remedy, "directory", e.dir, "error", err)
	})
	return fmt.Errorf("%w: the message was not published. %s: %w", engine.ErrStorageFull, remedy, err)
}
