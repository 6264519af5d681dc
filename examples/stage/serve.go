package stage

import (
	"context"
	_ "embed" // for the browser's part
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
)

//go:embed page/classic.js
var classicJS string

// maxBody is the size in bytes of the largest request that an example takes.
const maxBody = 16 << 10

// Run serves a page until the context ends. ready gets the page's URL.
func Run(ctx context.Context, address string, h http.Handler, ready func(url string)) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	ready("http://" + l.Addr().String() + "/")
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	err = server.Shutdown(stopping)
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		return served
	}
	return err
}

// Page serves the files of a page and the browser's part of Boreas, and refuses
// what other sites make a visitor's browser send.
func Page(files fs.FS, mux *http.ServeMux) http.Handler {
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /classic.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		io.WriteString(w, classicJS) //nolint:errcheck // the visitor has gone
	})
	protected := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		protected.ServeHTTP(w, r)
	})
}

// ReadJSON reads the JSON of a request into v. If it cannot it answers, and
// returns false.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		Refuse(w, http.StatusUnsupportedMediaType, "send application/json")
		return false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v); err != nil {
		Refuse(w, http.StatusBadRequest, "that is not the JSON that was expected")
		return false
	}
	return true
}

// WriteJSON answers with v.
func WriteJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the visitor has gone
}

// Refuse answers with a reason that the page shows to the visitor.
func Refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": reason}) //nolint:errcheck // the visitor has gone
}

// Text checks what a visitor has typed: not empty, not too long, one line.
func Text(name, text string, limit int) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return "", fmt.Errorf("the %s is empty", name)
	}
	if n := len([]rune(text)); n > limit {
		return "", fmt.Errorf("the %s has %d characters; %d are allowed", name, n, limit)
	}
	return text, nil
}

// Now is how the examples write the time.
func Now() string { return time.Now().UTC().Format(time.RFC3339) }
