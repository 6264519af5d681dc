// Package asset serves small files that never change while the program runs.
package asset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/coding"
)

// A File is a file that is compressed once, and that clients revalidate with its ETag. It is
// immutable and safe for concurrent use.
type File struct {
	contentType    string
	plain, gzipped form
}

// A form is the content in one coding. A strong ETag differs from that of the other form (RFC 9110,
// section 8.8.3.3).
type form struct {
	content []byte
	tag     string
}

// New returns a file. The caller must not modify the content afterwards.
func New(contentType string, content []byte) *File {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	z.Write(content)                                      // a bytes.Buffer returns no errors
	z.Close()
	sum := sha256.Sum256(content)
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	return &File{contentType, form{content, `"` + tag + `"`}, form{b.Bytes(), `"` + tag + `-gzip"`}}
}

// ServeHTTP implements [http.Handler]. The caller may have set further headers.
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "This path accepts only GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	chosen := f.plain
	zipped := coding.Choose(r.Header["Accept-Encoding"], coding.Gzip) == coding.Gzip
	if zipped {
		chosen = f.gzipped
	}
	h.Set("ETag", chosen.tag)
	if match := r.Header.Get("If-None-Match"); match == "*" || strings.Contains(match, chosen.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	if zipped {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(chosen.content)))
	w.Write(chosen.content)
}
