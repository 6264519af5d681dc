package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// maxSkew is how much the clocks may differ. The server decides by its own clock whether tokens
	// have expired, above all JWTs.
	maxSkew = 30 * time.Second

	swapped = "Swap --api and --ws."
	behind  = "Start the server behind the proxy, and check that the proxy uses the correct port."
)

// reach checks whether the API can be reached at all.
func (v *visit) reach(ctx context.Context, report reporter) {
	if v.distrusted[v.api.Host] {
		report(Skipped, "not checked, because TLS does not work", "")
		return
	}
	a, err := v.get(ctx, v.o.API+"/healthz", "")
	if err != nil {
		text, do := v.unreachable(v.api, err)
		report(Failed, text, do)
		return
	}
	switch {
	case a.status == http.StatusOK && a.body == "ok\n":
		v.health = a
		report(OK, shown(v.api)+" answers", "")
	case strings.Contains(a.body, "There is no WebSocket at this path"):
		report(Failed, shown(v.api)+" is the port for subscribers, not the API", swapped)
	case strings.Contains(a.body, "HTTP request to an HTTPS server"):
		report(Failed, v.api.Host+" speaks TLS", "Give the URL with https://.")
	case gateway(a.status):
		report(Failed, fmt.Sprintf("a proxy answers %d %s: it does not reach the server", a.status, http.StatusText(a.status)), behind)
	default:
		report(Failed, fmt.Sprintf("%s is not the API of a Boreas server: /healthz answers %d %s", shown(v.api), a.status, http.StatusText(a.status)),
			"Correct the URL; if there is a proxy in between, check which paths it forwards.")
	}
}

// ready checks whether the server is ready for traffic.
func (v *visit) ready(ctx context.Context, report reporter) {
	if v.health == nil {
		report(Skipped, "the API cannot be reached", "")
		return
	}
	a, err := v.get(ctx, v.o.API+"/readyz", "")
	switch {
	case err != nil:
		text, do := v.unreachable(v.api, err)
		report(Failed, text, do)
	case a.status == http.StatusOK:
		report(OK, "the server accepts traffic", "")
	default:
		first, _, _ := strings.Cut(a.body, "\n")
		report(Failed, "the server is not ready: "+first, "Wait if the server is starting or stopping; otherwise correct the named problem.")
	}
}

// key checks whether the API accepts the key, and what it allows without a key.
func (v *visit) key(ctx context.Context, report reporter) {
	if v.health == nil {
		report(Skipped, "the API cannot be reached", "")
		return
	}
	// Doctor requests its own channel, so that operators recognize a refusal that it causes.
	open, err := v.get(ctx, v.o.API+"/v2/channels/"+Channel, "")
	if err != nil {
		text, do := v.unreachable(v.api, err)
		report(Failed, text, do)
		return
	}
	code, message := open.fault()
	switch {
	case code == "host_not_allowed":
		report(Failed, message, "Use the host localhost or 127.0.0.1, name the host in option `api_hosts`, or make a key: `boreas key new`.")
	case open.status == http.StatusOK && !onLoopback(v.api):
		v.allowed = true
		report(Failed, "everyone who reaches "+v.api.Host+" can publish and make tokens, because the API requires no key",
			"Make a key with `boreas key new`, or let the API listen on 127.0.0.1 only.")
	case open.status == http.StatusOK && v.o.Key != "":
		v.allowed = true
		report(Warning, "the API requires no key, so yours was not checked", "Make a key on this server: `boreas key new`.")
	case open.status == http.StatusOK:
		v.allowed = true
		report(OK, "the API requires no key, and only this machine seems to reach it", "")
	case code != "invalid_key":
		report(Failed, "/v2/channels: "+message, "See the server's log.")
	case v.o.Key == "":
		report(Warning, "the API requires a key, and none was given", "Give a key in BOREAS_API_KEY or with --key-file, to check more.")
	default:
		v.shownKey(ctx, report)
	}
}

// shownKey checks whether an API that requires a key accepts this one.
func (v *visit) shownKey(ctx context.Context, report reporter) {
	a, err := v.get(ctx, v.o.API+"/v2/stats", v.o.Key)
	if err != nil {
		text, do := v.unreachable(v.api, err)
		report(Failed, text, do)
		return
	}
	switch code, message := a.fault(); {
	case a.status == http.StatusOK:
		v.allowed = true
		report(OK, "the API requires a key and accepts this one", "")
	case code == "not_permitted":
		v.allowed = true
		report(OK, "the API requires a key and accepts this one, which has no permission for counters", "")
	case code == "invalid_key":
		report(Failed, "the API does not accept the key: "+message, "Make another with `boreas key new`.")
	default:
		report(Failed, "/v2/stats: "+message, "See the server's log.")
	}
}

// clock compares the two clocks. The header has a resolution of one second.
func (v *visit) clock(_ context.Context, report reporter) {
	if v.health == nil {
		report(Skipped, "the API cannot be reached", "")
		return
	}
	theirs, err := http.ParseTime(v.health.header.Get("Date"))
	if err != nil {
		report(Skipped, "the answer has no header Date", "")
		return
	}
	apart, direction := v.health.at.Sub(theirs).Truncate(time.Second), "behind"
	if apart < 0 {
		apart, direction = -apart, "ahead of"
	}
	if apart > maxSkew {
		report(Failed, fmt.Sprintf("the server's clock is %v %s this machine's: tokens, above all JWTs, expire too early or too late", apart, direction),
			"Set both clocks by NTP.")
		return
	}
	report(OK, fmt.Sprintf("the clocks are less than %v apart", maxSkew), "")
}
