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
)

// A File is a file that is compressed once, and that clients revalidate with its ETag. It is
// immutable and safe for concurrent use.
type File struct {
	contentType, tag string
	plain, gzipped   []byte
}

// New returns a file. The caller must not modify the content afterwards.
func New(contentType string, content []byte) *File {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	z.Write(content)                                      // a bytes.Buffer returns no errors
	z.Close()
	sum := sha256.Sum256(content)
	return &File{contentType, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, content, b.Bytes()}
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
	h.Set("ETag", f.tag)
	if match := r.Header.Get("If-None-Match"); match == "*" || strings.Contains(match, f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	content := f.plain
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		h.Set("Content-Encoding", "gzip")
		content = f.gzipped
	}
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.Write(content)
}

// acceptsGzip reports whether a client accepts gzip and does not prefer the plain file (RFC 9110,
// section 12.5.3). "gzip;q=0" means that it does not accept gzip, and "*" stands for encodings that
// the list does not name. If gzip is not accepted, the plain file is sent, even if the client does
// not accept it either: an error would not help the client.
func acceptsGzip(lists []string) bool {
	weights := make(map[string]float64)
	for element := range strings.SplitSeq(strings.ToLower(strings.Join(lists, ",")), ",") {
		parameters := strings.Split(strings.ReplaceAll(element, " ", ""), ";")
		weight := 1.0
		for _, parameter := range parameters[1:] {
			if q, found := strings.CutPrefix(parameter, "q="); found {
				weight, _ = strconv.ParseFloat(q, 64) // an invalid weight counts as 0
			}
		}
		weights[strings.TrimPrefix(strings.TrimSpace(parameters[0]), "x-")] = weight
	}
	zipped, named := weights["gzip"]
	if !named {
		zipped = weights["*"]
	}
	return zipped > 0 && zipped >= weights["identity"]
}
