package coding

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"strings"
	"testing"
)

// TestGzipStream reads what has been written so far after each write, over a pipe without buffer.
func TestGzipStream(t *testing.T) {
	in, out := net.Pipe()
	defer in.Close()
	writes := []string{"a", `{"hello":1}`, strings.Repeat("x", 100_000), string(list(50_000)), "a", "b"}
	ends := make(chan error)
	go func() {
		s := NewGzipStream(out)
		for _, text := range writes {
			io.WriteString(s, text)
			<-ends // the reader has it
		}
		err := s.Close()
		out.Close()
		ends <- err
	}()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range writes {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(z, got); err != nil || string(got) != want {
			t.Fatalf("got %.100q, %v; want %.100q", got, err, want)
		}
		ends <- nil
	}
	if n, err := io.Copy(io.Discard, z); n != 0 || err != nil { // also if the checksum is wrong
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
	if err := <-ends; err != nil {
		t.Error(err)
	}
}

// TestGzipStreamKeepsContext: an event that is like the one before is small.
func TestGzipStreamKeepsContext(t *testing.T) {
	var b bytes.Buffer
	s := NewGzipStream(&b)
	event := list(400)
	s.Write(event)
	first := b.Len()
	s.Write(event)
	if second := b.Len() - first; second > first/4 {
		t.Errorf("the first event took %d bytes, the same one again %d", first, second)
	}
	empty := NewGzipStream(&b)
	b.Reset()
	empty.Close()
	z, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); len(got) > 0 || err != nil {
		t.Errorf("an empty stream: %q, %v", got, err)
	}
}
