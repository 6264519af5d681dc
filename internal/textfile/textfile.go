// Package textfile reads the small text files that users write: configuration, rules, tokens, keys
// and certificates.
//
// Editors and shells save text as UTF-8, as UTF-8 with a byte order mark, or as UTF-16 with a byte
// order mark (the redirection of Windows PowerShell). Read accepts all three and returns UTF-8
// without a mark. For a file that is not text, Read returns an error with the reason. Otherwise its
// bytes would become part of a name or a secret that never matches.
package textfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	markUTF8    = "\xef\xbb\xbf"
	markUTF16LE = "\xff\xfe"
	markUTF16BE = "\xfe\xff"
	markUTF32LE = "\xff\xfe\x00\x00"
)

// Read returns the decoded text (see [Decode]) of a file of at most limit bytes. Its errors do not
// contain the path.
func Read(path string, limit int) ([]byte, error) {
	raw, err := ReadRaw(path, limit)
	if err != nil {
		return nil, err
	}
	return Decode(raw)
}

// ReadRaw returns the bytes of a file, which need not be text. Its errors are those of [Read].
func ReadRaw(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	return readAll(f, limit)
}

// From is like [Read], but reads from r.
func From(r io.Reader, limit int) ([]byte, error) {
	raw, err := readAll(r, limit)
	if err != nil {
		return nil, err
	}
	return Decode(raw)
}

func readAll(r io.Reader, limit int) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, reason(err)
	case len(raw) > limit:
		return nil, fmt.Errorf("it has more than %d bytes", limit)
	}
	return raw, nil
}

// Decode returns text as UTF-8 without a byte order mark. It returns an error for UTF-32, for
// damaged UTF-16, and for text with a NUL byte, such as UTF-16 without a mark and binary files. It
// does not check UTF-8, because the parser of the text can report the line.
func Decode(text []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(text, []byte(markUTF8)):
		text = text[len(markUTF8):]
	case bytes.HasPrefix(text, []byte(markUTF32LE)):
		return nil, errors.New("it is UTF-32 text: save it as UTF-8")
	case bytes.HasPrefix(text, []byte(markUTF16LE)):
		return decodeUTF16(text[len(markUTF16LE):], func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 })
	case bytes.HasPrefix(text, []byte(markUTF16BE)):
		return decodeUTF16(text[len(markUTF16BE):], func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 })
	}
	return noNUL(text)
}

func decodeUTF16(text []byte, unit func([]byte) uint16) ([]byte, error) {
	damaged := errors.New("it begins as UTF-16 text and is damaged: save it as UTF-8")
	if len(text)%2 != 0 {
		return nil, damaged
	}
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i += 2 {
		r := rune(unit(text[i:]))
		if utf16.IsSurrogate(r) {
			if i+4 > len(text) {
				return nil, damaged
			}
			i += 2
			if r = utf16.DecodeRune(r, rune(unit(text[i:]))); r == utf8.RuneError {
				return nil, damaged
			}
		}
		decoded = utf8.AppendRune(decoded, r)
	}
	return noNUL(decoded)
}

func noNUL(text []byte) ([]byte, error) {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, fmt.Errorf("byte %d is NUL, so it is not UTF-8 text: save it as UTF-8", i)
	}
	return text, nil
}

// reason returns err without the path, which the caller's message already contains.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
