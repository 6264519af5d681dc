package socket

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// tlsBuffers are where a tls.Conn keeps records that it reads, and messages of
// handshakes. The client's first message makes them 3.5 KiB large, with the
// post-quantum keys that it has today, and they stay so as long as the connection lives: a
// quarter of what an idle subscriber over TLS takes. Nothing outside of crypto/tls can free
// them, so this reaches inside. Should the fields ever have other names or types than
// these, everything stays where it is, and a test fails.
var tlsBuffers, canRelease = findTLSBuffers()

func findTLSBuffers() (buffers [2]uintptr, ok bool) {
	for i, name := range []string{"rawInput", "hand"} {
		f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
		if !ok || f.Type != reflect.TypeFor[bytes.Buffer]() {
			return buffers, false
		}
		buffers[i] = f.Offset
	}
	return buffers, true
}

// release frees the buffers of t that are empty. It is called by the goroutine that
// reads t, which is the only one that uses them, after a read that found nothing: nothing
// that was decrypted is left in them then.
func release(t *tls.Conn) {
	if !canRelease {
		return
	}
	for _, offset := range tlsBuffers {
		if b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(t), offset)); b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}
