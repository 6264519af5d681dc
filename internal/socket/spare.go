package socket

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// spareBuffers and spareReader are where a tls.Conn keeps what it reads: records, messages
// of handshakes, and what is decrypted and not yet asked for. The client's first message
// makes them 3.5 KiB large, with the post-quantum keys that it has today, and they stay
// so as long as the connection lives: a quarter of what an idle subscriber over TLS takes.
// Nothing outside of crypto/tls can free them, so this reaches inside. Should the
// fields ever have other names or types than these, everything stays where it is, and a
// test fails.
var spareBuffers, spareReader, canSpare = findSpare()

func findSpare() (buffers [2]uintptr, reader uintptr, ok bool) {
	rawInput, ok1 := fieldOf[bytes.Buffer]("rawInput")
	hand, ok2 := fieldOf[bytes.Buffer]("hand")
	input, ok3 := fieldOf[bytes.Reader]("input")
	return [2]uintptr{rawInput, hand}, input, ok1 && ok2 && ok3
}

func fieldOf[T any](name string) (offset uintptr, ok bool) {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
	return f.Offset, ok && f.Type == reflect.TypeFor[T]()
}

// release frees the buffers of t that are empty. It is called by the goroutine that
// reads t, which is the only one that uses them, and not during a read.
func release(t *tls.Conn) {
	if !canSpare {
		return
	}
	for _, offset := range spareBuffers {
		if b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(t), offset)); b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
	if r := (*bytes.Reader)(unsafe.Add(unsafe.Pointer(t), spareReader)); r.Len() == 0 {
		*r = bytes.Reader{} // it still points to what it has read
	}
}
