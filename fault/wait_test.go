package fault_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/wire"
)

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		err          error
		header, wire string
	}{
		{fault.RateLimited, "1", `{"code":"rate_limited","message":"The address, user or key has exceeded a rate limit. The request was not carried out.","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":1000}`},
		{fault.RateLimited.With("Too much."), "1", `{"code":"rate_limited","message":"Too much.","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":1000}`},
		{fault.RateLimited.After("Too much.", 2*time.Second), "2", `{"code":"rate_limited","message":"Too much.","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":2000}`},
		{fault.RateLimited.After("Too much.", 2*time.Second+1), "3", `{"code":"rate_limited","message":"Too much.","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":2001}`},
		{fault.RateLimited.After("Too much.", 1), "1", `{"code":"rate_limited","message":"Too much.","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":1}`},
		{fmt.Errorf("item 3: %w", fault.RateLimited.After("Too much.", 7*time.Second)), "7", `{"code":"rate_limited","message":"Item 3: Too much.","retry":"later","docs":"docs/errors.md#rate_limited","retry_after_ms":7000}`},
		{fault.NotFound, "", `{"code":"not_found","message":"` + fault.NotFound.Summary + `","retry":"never","docs":"docs/errors.md#not_found"}`},
	} {
		header := http.Header{}
		fault.SetRetryAfter(header, c.err)
		if diff := cmp.Diff(c.header, header.Get("Retry-After")); diff != "" {
			t.Errorf("%v: Retry-After (-want +got):\n%s", c.err, diff)
		}
		f := protocol2.Fault(c.err)
		if diff := cmp.Diff(c.wire, string(wire.AppendV2Fault(nil, &f))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.err, diff)
		}
	}
}
