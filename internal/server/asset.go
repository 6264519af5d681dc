package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// asset is a small file that never changes. It is compressed once, and clients revalidate it with
// its ETag.
type asset struct {
	contentType, tag string
	plain, gzipped   []byte
}

func newAsset(contentType string, content []byte) *asset {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	z.Write(content)                                      // a bytes.Buffer returns no errors
	z.Close()
	sum := sha256.Sum256(content)
	return &asset{contentType, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, content, b.Bytes()}
}

func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// Pages of any origin may use the file, because it contains no private data.
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	// The connection is to the subscribers' port, where it would take the place of a session. So it
	// is closed, unless it is an HTTP/2 connection, which may carry event streams.
	if r.ProtoMajor == 1 {
		h.Set("Connection", "close")
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "This path accepts only GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", a.tag)
	if match := r.Header.Get("If-None-Match"); match == "*" || strings.Contains(match, a.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.contentType)
	content := a.plain
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		h.Set("Content-Encoding", "gzip")
		content = a.gzipped
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
