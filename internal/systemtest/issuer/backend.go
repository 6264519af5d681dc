package issuer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// A Backend answers the server's questions about tokens. It refuses all tokens except those that it
// was told to accept.
type Backend struct {
	*httptest.Server

	// Asked and Waiting are the numbers of questions and of those that [Backend.Hold] stopped.
	Asked, Waiting atomic.Int64

	// Status, if not 0, is the status of all answers, which have no body.
	Status atomic.Int64

	// Decided, if not nil, is called once, after an answer is decided and before it is sent.
	Decided atomic.Pointer[func()]

	hold atomic.Pointer[chan struct{}]

	mu      sync.Mutex
	answers map[string]Object // guarded by mu: by token
}

// NewBackend starts a backend that ends with the test.
func NewBackend(t testing.TB) *Backend {
	t.Helper()
	b := &Backend{answers: make(map[string]Object)}
	b.Server = Listen(t, b.serve)
	return b
}

// Accept makes the backend answer a question about the token with the object.
func (b *Backend) Accept(token string, answer Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[token] = answer
}

// Hold stops the backend from answering until release is called.
func (b *Backend) Hold() (release func()) {
	hold := make(chan struct{})
	b.hold.Store(&hold)
	return func() {
		b.hold.Store(nil)
		close(hold)
	}
}

func (b *Backend) serve(w http.ResponseWriter, r *http.Request) {
	b.Asked.Add(1)
	var question struct{ Token string }
	body, _ := io.ReadAll(r.Body)
	json.Unmarshal(body, &question) //nolint:errcheck // a question without a token is refused below
	b.mu.Lock()
	answer, known := b.answers[question.Token]
	b.mu.Unlock()
	if hold := b.hold.Load(); hold != nil {
		b.Waiting.Add(1)
		select {
		case <-*hold:
		case <-r.Context().Done():
		}
	}
	status := b.Status.Load()
	if decided := b.Decided.Swap(nil); decided != nil {
		(*decided)()
	}
	switch {
	case status != 0:
		w.WriteHeader(int(status))
	case known:
		w.Write(JSON(answer))
	default:
		w.WriteHeader(http.StatusUnauthorized)
		w.Write(JSON(Object{"message": "I do not know it."}))
	}
}
