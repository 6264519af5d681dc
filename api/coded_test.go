package api_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/limit"
)

// coded returns a body in the codings of a header Content-Encoding.
func coded(t testing.TB, codings, body string) string {
	t.Helper()
	for name := range strings.SplitSeq(codings, ",") {
		var b bytes.Buffer
		var w io.WriteCloser
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			w = gzip.NewWriter(&b)
		case "deflate":
			w = zlib.NewWriter(&b)
		default: // identity
			continue
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		body = b.String()
	}
	return body
}

// TestCodedBodies sends a compressed body to every route that reads one. The status is that of the
// plain body.
func TestCodedBodies(t *testing.T) {
	for _, request := range requestsWithBodies {
		method, _, _ := strings.Cut(request.pattern, " ")
		send := func(body, codings string) string {
			t.Helper()
			r := newRig(t, boreas.Options{Rules: chatRules()}, api.Options{})
			_, other := r.makeToken(auth.Token{User: "bob"})
			status, _, _ := strings.Cut(r.do(method, strings.Replace(request.path, "OTHER", other.ID, 1), body, "Content-Type", "application/json", "Content-Encoding", codings), "\n")
			return status
		}
		want := send(request.body, "")
		if want[0] != '2' {
			t.Errorf("%s: plain: %s", request.path, want)
		}
		for _, codings := range []string{"gzip", "X-GZIP", "deflate", "Identity,, Gzip ,", "deflate, gzip", "gzip,\tgzip"} {
			if got := send(coded(t, codings, request.body), codings); got != want {
				t.Errorf("%s, %s: got %s, want %s", request.path, codings, got, want)
			}
		}
		for _, codings := range []string{"br", "gzip, br", "x", "gzip, gzip, gzip"} {
			if got := send(request.body, codings); got != "415" {
				t.Errorf("%s, %s: got %s, want 415", request.path, codings, got)
			}
		}
	}
}

// TestCodedMessages compares the published messages with the bodies.
func TestCodedMessages(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{})
	big := `"` + strings.Repeat("0123456789", 100_000) + `"`
	var want []string
	for _, codings := range []string{"gzip", "deflate", "deflate, gzip"} {
		for _, body := range []string{`{"hello": "ż"}`, big} {
			if got := r.do("POST", "/v2/channels/a/messages", coded(t, codings, body), "Content-Encoding", codings); !strings.HasPrefix(got, "201\n") {
				t.Errorf("%s: %s", codings, got)
			}
			want = append(want, body)
		}
	}
	h, err := r.hub.History(context.Background(), "a", engine.Position{}, engine.Limit{Messages: 100, Bytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range h.Publications {
		got = append(got, string(p.Data))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
}

// TestBadCodedBodies compares the whole answers to compressed bodies that are refused. The connection
// stays open if the body has arrived.
func TestBadCodedBodies(t *testing.T) {
	r := newRig(t, boreas.Options{}, api.Options{MaxBody: 1000})
	fits, over := `"`+strings.Repeat("x", 998)+`"`, `"`+strings.Repeat("x", 999)+`"`
	zipped := coded(t, "gzip", fits)
	unknown := func(answer string) string {
		return strings.Replace(answer, "\n", "\nAccept-Encoding: gzip, deflate\nConnection: close\n", 1)
	}
	for _, test := range []struct{ codings, body, status, code, message string }{
		{"br", fits, "415", "unsupported_encoding", `The body has the content coding \"br\": the server reads only gzip and deflate.`},
		{"gzip, gzip, gzip", fits, "415", "unsupported_encoding", "The body has more than 2 content codings: send it with one."},
		{"gzip", over[:1], "400", "malformed", "The body is not valid gzip: it ends early."},
		{"gzip", "", "400", "malformed", "The body is not valid gzip: it ends early."},
		{"gzip", zipped[:len(zipped)-1], "400", "malformed", "The body is not valid gzip: it ends early."},
		{"gzip", zipped + "x", "400", "malformed", "The body is not valid gzip: it ends early."},
		{"zstd", fits, "415", "unsupported_encoding", `The body has the content coding \"zstd\": the server reads only gzip and deflate.`},
		{"deflate, gzip", zipped, "400", "malformed", "The body is not valid deflate: it is damaged, has another format, or is followed by other bytes."},
		{"deflate", zipped, "400", "malformed", "The body is not valid deflate: it is damaged, has another format, or is followed by other bytes."},
		{"gzip", coded(t, "gzip", over), "413", "too_large", "The body has more than 1000 bytes when it is decompressed."},
		{"deflate", coded(t, "deflate", over), "413", "too_large", "The body has more than 1000 bytes when it is decompressed."},
		{"deflate", coded(t, "deflate", over), "413", "too_large", "The body has more than 1000 bytes when it is decompressed."},
		{"gzip, deflate", coded(t, "gzip, deflate", over), "413", "too_large", "The body has more than 1000 bytes when it is decompressed."},
	} {
		var status int
		fmt.Sscan(test.status, &status)
		want := failure(status, test.code, test.message, "")
		classic := jsonAnswer(status, `{"errors": ["`+test.message+`"]}`)
		if test.status == "415" {
			want, classic = unknown(want), unknown(classic)
		}
		if diff := cmp.Diff(want, r.do("POST", "/v2/channels/a/messages", test.body, "Content-Encoding", test.codings)); diff != "" {
			t.Errorf("%s, %.20q (-want +got):\n%s", test.codings, test.body, diff)
		}
		if diff := cmp.Diff(classic, r.do("POST", "/broadcast/a/", test.body, "Content-Encoding", test.codings, "Content-Type", "application/json")); diff != "" {
			t.Errorf("%s, %.20q, classic (-want +got):\n%s", test.codings, test.body, diff)
		}
	}
	for _, codings := range []string{"gzip", "deflate", "gzip, deflate"} {
		if got := r.do("POST", "/v2/channels/a/messages", coded(t, codings, fits), "Content-Encoding", codings); !strings.HasPrefix(got, "201\n") {
			t.Errorf("%s, 1000 bytes: %s", codings, got)
		}
	}
}

// TestCodedBodiesHoldMemory: a compressed body counts with its content, and waits for room.
func TestCodedBodiesHoldMemory(t *testing.T) {
	r := newRig(t, boreas.Options{PeerMemory: 2 << 20}, api.Options{})
	other := r.hub.Held(boreas.HeldAnswer, netip.Addr{}, "")
	other.Keep(2 << 20)
	bomb := coded(t, "gzip", `"`+strings.Repeat("x", 900_000)+`"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := r.doIn(ctx, "POST", "/v2/channels/a/messages", bomb, "Content-Encoding", "gzip"); !strings.HasPrefix(got, "503\n") || !strings.Contains(got, `"peer_memory"`) {
		t.Errorf("without room: %s", got)
	}
	other.Keep(0)
	if got := r.do("POST", "/v2/channels/a/messages", bomb, "Content-Encoding", "gzip"); !strings.HasPrefix(got, "201\n") {
		t.Errorf("with room: %s", got)
	}
	if n := r.hub.Stats().Held.Bytes; n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// TestCodedBodiesAndRates: the limits of bytes count a body as decompressed, of the key and of the
// address. As with a body of unknown length, the next request is refused.
func TestCodedBodiesAndRates(t *testing.T) {
	for name, o := range map[string]limit.Options{
		"key":     {Key: limit.Bounds{Bytes: 10_000}},
		"address": {Address: limit.Bounds{Bytes: 10_000}},
	} {
		limits := limit.New(o)
		r := newRig(t, boreas.Options{}, api.Options{Limits: limits})
		key, _ := r.makeKey("k", auth.KeyPublish)
		body := `"` + strings.Repeat("x", 900_000) + `"`
		publish := func() string {
			return r.do("POST", "/v2/channels/a/messages", coded(t, "deflate", body), "Content-Encoding", "deflate", "Authorization", "Bearer "+key)
		}
		if got := publish(); !strings.HasPrefix(got, "201\n") {
			t.Errorf("%s: got %.300s", name, got)
		}
		client := limits.Key(r.authority.Keys()[0].ID)
		if name == "address" {
			client = limits.Address(netip.MustParseAddr("192.0.2.1")) // of httptest
		}
		if err := client.Request(1, 1); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the next request gets %v", name, err)
		}
	}
}
