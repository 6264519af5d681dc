package api

import (
	"context"
	"net/http"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/credential"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// This file counts the bytes that the server holds for a call: its body while it arrives and is
// used, and its response until the client has read it.

// heldBytes counts the bytes of one call. A nil field holds no bytes.
type heldBytes struct{ body, answer *boreas.Held }

// release releases the bytes that the call holds.
func (h *heldBytes) release() {
	if h.body != nil {
		h.body.Keep(0)
	}
	if h.answer != nil {
		h.answer.Keep(0)
	}
	*h = heldBytes{}
}

// newHeld returns a Held for the caller: a backend, or the address and the user of a subscriber's
// token. A caller of a route that needs no key does not count as a backend.
func (r *recorder) newHeld(kind boreas.HeldKind) *boreas.Held {
	address, c := credential.AddressOf(r.request), &r.call
	switch {
	case c.grant != nil && c.grant.HasUser:
		return r.hub.Held(kind, address, c.grant.User)
	case c.grant != nil || c.route == nil || c.route.need.key == 0:
		return r.hub.Held(kind, address, "")
	}
	return r.hub.HeldForBackend(kind, address)
}

// holdBody waits for room for a body of n bytes. The error may be [boreas.ErrPeerMemory].
func holdBody(ctx context.Context, w http.ResponseWriter, n int) error {
	r, ok := w.(*recorder)
	if !ok || n <= boreas.HeldFree {
		return nil
	}
	if r.held.body == nil {
		r.held.body = r.newHeld(boreas.HeldRequest)
	}
	return r.held.body.Wait(ctx, n)
}

// awaitAnswer waits for room for a response of at most n bytes. The error may be
// [boreas.ErrPeerMemory].
func awaitAnswer(ctx context.Context, w http.ResponseWriter, n int) error {
	r, ok := w.(*recorder)
	if !ok || n <= boreas.HeldFree {
		return nil
	}
	if r.held.answer == nil {
		r.held.answer = r.newHeld(boreas.HeldAnswer)
	}
	return r.held.answer.Wait(ctx, n)
}

// holdAnswer counts a response of n bytes that already exists. The error may be
// [boreas.ErrPeerMemory].
func holdAnswer(w http.ResponseWriter, n int) error {
	r, ok := w.(*recorder)
	if !ok || n <= boreas.HeldFree && r.held.answer == nil {
		return nil
	}
	if r.held.answer == nil {
		r.held.answer = r.newHeld(boreas.HeldAnswer)
	}
	return r.held.answer.Set(n)
}

// write writes a response if there is room for it until the client has read it. Otherwise it writes
// the error.
func write(w http.ResponseWriter, contentType []string, status int, body []byte) {
	h := w.Header()
	if err := holdAnswer(w, len(body)); err != nil {
		fault.SetRetryAfter(h, err)
		contentType, status = typeJSON, fault.Of(err).Status
		if r := w.(*recorder); isV2(r.request) {
			told := protocol2.Fault(err)
			body = append(wire.AppendV2Error(nil, nil, &told), '\n')
		} else {
			body = appendList(nil, "errors", []string{fault.Message(err)})
		}
	}
	h["Content-Type"], h["X-Content-Type-Options"] = contentType, nosniff
	if len(body) >= minCoded {
		body = compressed(w, body)
	}
	w.WriteHeader(status)
	w.Write(body)
}
