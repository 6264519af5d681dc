package auth

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// readFile reads a file of tokens. A file can keep its reader waiting (a named pipe,
// a network's file system), so it is read beside, and given up when ctx ends.
func readFile(ctx context.Context, path string) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1) // so that a reader given up can still end
	go func() {
		text, err := readAll(path)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	text, err := readBounded(f)
	return text, reason(err)
}

// readBounded reads all of r, or fails when that is more than maxProvided bytes.
func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxProvided+1))
	if err == nil && len(text) > maxProvided {
		return nil, errTooLarge
	}
	return text, err
}

// reason is err without the path, which the provider's name has already.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
