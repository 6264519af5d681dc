package stage

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed page.js
var pageFiles embed.FS

// maxBody is the largest request body that an example accepts, in bytes.
const maxBody = 16 << 10

// Run serves a page until the context ends. It passes the page's URL to ready.
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

// Page serves a page's files and /page.js, which all pages use. It refuses cross-origin requests
// that change something. The page's policy allows connections only to this backend and to the
// Boreas server.
//
// /boreas.js redirects to the Boreas server, so that the browser's client always matches the
// server.
func (s *Stage) Page(files fs.FS, mux *http.ServeMux) http.Handler {
	script, _ := subscribersURL(s.WS, "http") // Open has checked the URL
	socket, _ := subscribersURL(s.WS, "ws")
	policy := fmt.Sprintf("default-src 'self'; img-src data:; script-src 'self' %[1]s; connect-src 'self' %[1]s %[2]s; "+
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'", origin(script), origin(socket))
	mux.Handle("GET /", http.FileServerFS(files))
	mux.Handle("GET /page.js", http.FileServerFS(pageFiles))
	mux.Handle("GET /boreas.js", http.RedirectHandler(script.JoinPath("boreas.js").String(), http.StatusTemporaryRedirect))
	protected := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		protected.ServeHTTP(w, r)
	})
}

// subscribersURL returns a WebSocket URL with the given scheme, http or ws, or with https or wss if
// the URL uses TLS.
func subscribersURL(text, scheme string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "ws" && u.Scheme != "wss") {
		return nil, fmt.Errorf("--ws=%s: give it as ws://HOST:PORT/ or wss://HOST:PORT/", text)
	}
	if u.Scheme == "wss" {
		scheme += "s"
	}
	u.Scheme = scheme
	return u, nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// ReadJSON decodes a request's JSON into v. If that fails, it sends an error response and returns
// false.
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

// Bearer returns the request's bearer token, or "".
func Bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// WriteJSON sends v as the response.
func WriteJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(v) //nolint:errcheck // the visitor has gone
}

// Refuse sends an error response. The page shows the reason to the visitor.
func Refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": reason}) //nolint:errcheck // the visitor has gone
}

// Text checks text from a visitor. It returns the text as one line, or an error if it is empty or
// too long.
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

// Now returns the current time in the format of the examples.
func Now() string { return time.Now().UTC().Format(time.RFC3339) }
