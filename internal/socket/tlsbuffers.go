//go:build !go1.27

package socket

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// tlsBuffers are the offsets of the fields in which a tls.Conn keeps handshake messages and the
// records that it reads. The client's first message, with today's post-quantum keys, makes these
// buffers 3.5 KiB large, and they keep that size until the connection ends. That is a quarter of
// the memory of an idle subscriber over TLS. Only crypto/tls can free them, so this file accesses
// its unexported fields.
//
// The build constraint names the first version of Go whose crypto/tls nobody has read for this. From
// that version on, and if the fields have other names or types, nothing is freed and a test fails.
// Before you raise the version, check in crypto/tls/conn.go that an empty rawInput or hand may be
// replaced by a zero bytes.Buffer between two calls of Read.
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

// release frees the buffers of t that are empty. The goroutine that reads t calls it after a read
// that found nothing. No other goroutine uses the buffers, and they hold no decrypted bytes at that
// time.
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
