package auth

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	// maxLine is the maximum length of a line, well above the line of a token with the maximum
	// number of rules.
	maxLine = 1 << 20

	readSize = 64 << 10 // bytes per read
)

// A found describes the journal that load has read.
type found struct {
	version int
	written int   // lines that were written with the file at once; later lines were appended
	lines   int   // whole lines
	size    int64 // of these lines, in bytes
	torn    int64 // bytes after them, of an incomplete last line
	bare    bool  // the last line lacks only its newline
	chain   chain
}

// A damage is a place where a journal differs from the written text.
type damage struct {
	line   int
	at     int64 // byte offset of the line
	reason error
	cut    bool // the part before the line is usable alone
}

func (d *damage) Error() string {
	return fmt.Sprintf("line %d, which begins at byte %d, is damaged: %v", d.line, d.at, d.reason)
}

func (d *damage) Unwrap() error { return d.reason }

var (
	errNoHead   = errors.New("the first line is not the one that the server writes")
	errEmpty    = errors.New("the file is empty")
	errZeroes   = errors.New("it has zero bytes, as after a power failure or an incomplete copy")
	errChecksum = errors.New("its checksum is wrong: this line, or one before it, was changed or lost")
	errLong     = fmt.Errorf("it is longer than %d bytes", maxLine)
)

// load reads a journal, and calls apply with the object on each line after the head. Only one
// difference does not count as damage: a last line that ends early, because a crash can cut off a
// change that was not acknowledged. Errors: a [*damage], which may wrap an error of apply; or an error
// of the reader.
func load(r io.Reader, apply func(object []byte) error) (found, error) {
	b := bufio.NewReaderSize(r, readSize)
	var f found
	var text []byte
	for {
		var err error
		text, err = appendLine(text[:0], b)
		next := f
		switch {
		case err == io.EOF && f.lines > 0:
			return f, f.end(text, apply)
		case err == io.EOF:
			err = errNoHead
			if len(text) == 0 {
				err = errEmpty
			} else if text[0] == 0 {
				err = errZeroes
			}
		case err == bufio.ErrBufferFull:
			err = errLong
		case err != nil:
			return f, err
		default:
			err = next.read(text, apply)
		}
		if err != nil {
			return f, f.damage(err)
		}
		f = next
	}
}

func (f *found) damage(reason error) error {
	return &damage{line: f.lines + 1, at: f.size, reason: reason, cut: f.lines >= max(f.written, 1)}
}

// read reads one line with its newline.
func (f *found) read(text []byte, apply func([]byte) error) error {
	size := int64(len(text)) // before text is overwritten
	if f.lines == 0 {
		if err := f.readHead(text); err != nil {
			return err
		}
	} else {
		object, err := f.object(text)
		if err != nil {
			return err
		}
		if err := apply(object); err != nil {
			return err
		}
	}
	f.lines++
	f.size += size
	return nil
}

// readHead reads the first line.
func (f *found) readHead(text []byte) error {
	if string(text) == head1 {
		f.version = 1
		return nil
	}
	// A newer server may write the head differently, except these two members.
	var newer struct {
		Op      string `json:"op"`
		Version int    `json:"version"`
	}
	if json.Unmarshal(text, &newer) == nil && newer.Op == opHead && newer.Version > journalVersion {
		return fmt.Errorf("a server with version %d of this format wrote it, and this server supports version %d", newer.Version, journalVersion)
	}
	object, ok := f.chain.open(text)
	if !ok {
		if text[0] == 0 {
			return errZeroes
		}
		return errNoHead
	}
	l, err := readLine(object)
	if err != nil || l.Op != opHead || l.Version != journalVersion {
		return errNoHead
	}
	f.version, f.written = l.Version, l.Lines
	return nil
}

// object returns the object on a line after the first.
func (f *found) object(text []byte) ([]byte, error) {
	if f.version == 1 {
		return text, nil
	}
	object, ok := f.chain.open(text)
	switch {
	case ok:
		return object, nil
	case bytes.IndexByte(text, 0) >= 0:
		return nil, errZeroes
	default:
		return nil, errChecksum
	}
}

// end checks the bytes after the last newline. A line that a crash has cut off is an unchanged
// prefix of a line.
func (f *found) end(text []byte, apply func([]byte) error) error {
	switch {
	case f.lines < f.written:
		return f.damage(fmt.Errorf("it is missing, because the file was written with %d lines and is shorter now", f.written))
	case len(text) == 0:
		return nil
	case f.complete(text):
		f.bare = true
		if err := f.read(append(text, '\n'), apply); err != nil {
			return f.damage(err)
		}
		f.size-- // the newline, which is missing
		return nil
	case f.complete(text[:len(text)-1]):
		return f.damage(errors.New("it does not end with a newline"))
	case bytes.IndexByte(text, 0) >= 0:
		return f.damage(errZeroes)
	case bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' }): // JSON does not contain any
		return f.damage(errors.New("it has a control character"))
	}
	f.torn = int64(len(text))
	return nil
}

// complete reports whether a text without newline is a whole line.
func (f *found) complete(text []byte) bool {
	if f.version == 1 {
		return json.Valid(text)
	}
	chain := f.chain
	_, ok := chain.open(append(bytes.Clone(text), '\n'))
	return ok
}

// appendLine appends the next line with its newline. Errors: [io.EOF] if it has none,
// [bufio.ErrBufferFull] if it is too long.
func appendLine(dst []byte, r *bufio.Reader) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		dst = append(dst, part...)
		switch {
		case len(dst) > maxLine:
			return dst, bufio.ErrBufferFull
		case err != bufio.ErrBufferFull:
			return dst, err
		}
	}
}
