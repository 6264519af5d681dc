package auth

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
)

// readFile reads a file of tokens. Some files can block their reader: a named pipe, or a file on a
// network file system. For this reason another goroutine reads the file, and readFile returns when
// ctx ends.
func readFile(ctx context.Context, path string) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1) // with room for the result, so that the goroutine can always end
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

// readBounded reads all of r. It fails if that is more than maxProvided bytes.
func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxProvided+1))
	if err == nil && len(text) > maxProvided {
		return nil, errTooLarge
	}
	return text, err
}

// reason returns err without the path, because the provider's name contains it.
func reason(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
