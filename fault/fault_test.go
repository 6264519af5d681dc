package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/engine"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

// clause 2.6
func TestWire(t *testing.T) {
	_, position := engine.ParsePosition("yesterday")
	_, malformed := wire.ParseV2([]byte(`{"id":1,"ping":null}`))
	for _, c := range []struct {
		err  error
		want string
	}{
		{boreas.ErrTooManySubscribers, `{"code":"too_many_subscribers","message":"Too many subscribers on the channel.","retry":"later","docs":"docs/errors.md#too_many_subscribers","retry_after_ms":5000}`},
		{fmt.Errorf("join %q: %w", "chat", access.ErrNotPermitted), `{"code":"not_permitted","message":"Join \"chat\": the channel's rule does not let clients publish (client_publish).","retry":"never","docs":"docs/errors.md#not_permitted"}`},
		{access.ValidChannel(""), `{"code":"channel_name","message":"Not a channel name: it is empty.","retry":"never","docs":"docs/errors.md#channel_name"}`},
		{position, `{"code":"bad_position","message":"Position \"yesterday\": not a position: send the text that came with a message or a join, unchanged.","retry":"never","docs":"docs/errors.md#bad_position"}`},
		{malformed, `{"code":"malformed","message":"The member ping is not an object.","retry":"never","docs":"docs/errors.md#malformed"}`},
		{engine.ErrClosed, `{"code":"shutting_down","message":"The server is shutting down.","retry":"now","docs":"docs/errors.md#shutting_down"}`},
		{boreas.ErrFallsBehind, `{"code":"slow","message":"Reading too slowly: the session repeatedly fell behind.","retry":"later","docs":"docs/errors.md#slow","retry_after_ms":5000}`},
		{fault.InvalidToken, `{"code":"invalid_token","message":"The token is not valid, or is no longer valid.","retry":"new_token","docs":"docs/errors.md#invalid_token"}`},
		{fault.TooLarge.With("The body has more than 9 bytes."), `{"code":"too_large","message":"The body has more than 9 bytes.","retry":"never","docs":"docs/errors.md#too_large"}`},
		{fmt.Errorf("item 3: %w", fault.BadKey), `{"code":"bad_key","message":"Item 3: The idempotency key is not valid.","retry":"never","docs":"docs/errors.md#bad_key"}`},
		// A client gets no details of an error of the storage, or of one that is not in the table.
		{fmt.Errorf("write /secret: %w", engine.ErrStorageFull), `{"code":"storage_full","message":"The server's disk is full. Nothing was published.","retry":"later","docs":"docs/errors.md#storage_full","retry_after_ms":5000}`},
		{fmt.Errorf("write /secret: %w", engine.ErrStorageFailed), `{"code":"storage_failed","message":"The server's disk has failed: it could not write the message, or could not read stored messages.","retry":"later","docs":"docs/errors.md#storage_failed","retry_after_ms":5000}`},
		{fmt.Errorf("%w: read /secret: %v", boreas.ErrUnreadable, engine.ErrStorageFailed), `{"code":"history_unavailable","message":"The session was behind, and the server could not read the stored history of one of its channels.","retry":"later","docs":"docs/errors.md#history_unavailable","retry_after_ms":5000}`},
		{fmt.Errorf("nats://10.0.0.1: %w", engine.ErrUnavailable), `{"code":"cluster_unavailable","message":"The server cannot reach the store that the servers of the cluster share.","retry":"later","docs":"docs/errors.md#cluster_unavailable","retry_after_ms":1000}`},
		{boreas.ErrNodeIsolated, `{"code":"node_isolated","message":"The server has lost contact with its cluster.","retry":"now","docs":"docs/errors.md#node_isolated"}`},
		{io.ErrUnexpectedEOF, `{"code":"internal","message":"The server failed; its log says why.","retry":"later","docs":"docs/errors.md#internal","retry_after_ms":1000}`},
		{fmt.Errorf("disk /secret: %w", fault.Internal), `{"code":"internal","message":"The server failed; its log says why.","retry":"later","docs":"docs/errors.md#internal","retry_after_ms":1000}`},
	} {
		f := protocol2.Fault(c.err)
		if diff := cmp.Diff(c.want, string(wire.AppendV2Fault(nil, &f))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.err, diff)
		}
	}
}

func TestOf(t *testing.T) {
	if got := fault.Of(nil); got != nil {
		t.Errorf("Of(nil) is %v, want nil", got)
	}
	for _, f := range fault.All() {
		for _, err := range []error{f, f.With("More."), fmt.Errorf("wrapped: %w", f.With("More."))} {
			if got := fault.Of(err); got != f {
				t.Errorf("%v: got %s, want %s", err, got.Code, f.Code)
			}
		}
	}
	if err := fault.NotFound.With("More."); !errors.Is(err, fault.NotFound) || errors.Is(err, fault.Timeout) {
		t.Errorf("%v does not match its row, or matches another one", err)
	}
}

// TestCloseCodesAgreeWithRetry: clause 8.6 lets a client decide by the range of the close code.
func TestCloseCodesAgreeWithRetry(t *testing.T) {
	ranges := map[int]fault.Retry{41: fault.Now, 42: fault.Later, 43: fault.NewToken, 44: fault.Never}
	codes, closes := make(map[string]bool), make(map[int]bool)
	for _, f := range fault.All() {
		if codes[f.Code] || f.Close != 0 && closes[f.Close] {
			t.Errorf("%s: the code or close code %d is in two rows", f.Code, f.Close)
		}
		codes[f.Code], closes[f.Close] = true, true
		if f.Close >= 4000 && ranges[f.Close/100] != f.Retry {
			t.Errorf("%s: close code %d is in the range of %q, but retry is %q", f.Code, f.Close, ranges[f.Close/100], f.Retry)
		}
		if f.Close == 0 && f.Status == 0 {
			t.Errorf("%s: it has neither a status nor a close code, so no client can receive it", f.Code)
		}
		if f.RetryAfter != 0 && f.Retry != fault.Later {
			t.Errorf("%s: retry_after_ms is only for the retry %q, not for %q", f.Code, fault.Later, f.Retry)
		}
		if f.Retry == fault.Later && f.RetryAfter == 0 {
			t.Errorf("%s: retry is later, but retry_after_ms is missing", f.Code)
		}
	}
}
