package disk

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/dirlock"
)

// makeDir creates a directory and those above it, and waits until the disk has their names.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := makeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return dirlock.Sync(above)
}

// findSegments returns the numbers of the segments of a directory in order, and the names of
// useless files: incomplete ones, and hints without a segment.
func findSegments(fsys fileSystem, dir string) (numbers []uint64, useless []string, err error) {
	names, err := fsys.Names(dir)
	for _, name := range names {
		if n, is := segmentNumber(name); is {
			numbers = append(numbers, n)
		} else if filepath.Ext(name) == newSuffix {
			useless = append(useless, name)
		} else if filepath.Ext(name) == hintSuffix && !slices.Contains(names, strings.TrimSuffix(name, hintSuffix)+segmentSuffix) {
			useless = append(useless, name)
		}
	}
	slices.Sort(numbers)
	return numbers, useless, err
}

// segmentNumbers returns the numbers of the segments of a directory in order, and removes useless
// files. Numbers that are missing are damage.
func segmentNumbers(fsys fileSystem, dir string) ([]uint64, error) {
	numbers, useless, err := findSegments(fsys, dir)
	if err != nil {
		return nil, err
	}
	for _, name := range useless {
		if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	for i, n := range numbers {
		if n != numbers[0]+uint64(i) {
			return nil, missingSegment(segmentPath(dir, numbers[0]+uint64(i)))
		}
	}
	return numbers, nil
}

// missing returns an error if segments before the first or after the last one are missing.
func (n note) missing(dir string, first, last uint64) error {
	switch {
	case first > n.oldest:
		return missingBefore(segmentPath(dir, n.oldest))
	case last < n.newest:
		return missingAfter(segmentPath(dir, last+1))
	}
	return nil
}

func missingBefore(path string) *DamageError {
	return &DamageError{path, 0, "the file is missing, and it was not removed by this program"}
}

func missingAfter(path string) *DamageError {
	return &DamageError{path, 0, "the file is missing, although it was created"}
}

func missingSegment(path string) *DamageError {
	return &DamageError{path, 0, "the file is missing, although later ones exist"}
}
