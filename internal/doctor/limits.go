package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	// fewDescriptors is the default limit of descriptors for a process on many systems.
	fewDescriptors = 4096

	// The descriptors that an older server, which does not report the number, keeps for uses other
	// than subscribers: a share, as a divisor, and a minimum.
	keptShare, minKept = 16, 64

	moreDescriptors = "Raise LimitNOFILE in the systemd unit, or `ulimit -n`: see docs/operations.md."
)

// descriptors checks how many files and connections the server's process may open.
func (v *visit) descriptors(ctx context.Context, report reporter) {
	if v.health == nil || !v.allowed {
		report(Skipped, "the API cannot be reached, or does not accept the key", "")
		return
	}
	a, err := v.get(ctx, v.o.API+"/metrics", v.o.Key)
	if err != nil {
		text, do := v.unreachable(v.api, err)
		report(Failed, text, do)
		return
	}
	if a.status != http.StatusOK {
		_, message := a.fault()
		report(Skipped, "/metrics: "+message, "")
		return
	}
	most, open := metric(a.body, "process_max_fds"), metric(a.body, "process_open_fds")
	if most <= 0 {
		report(Skipped, "the server's system does not report it", "")
		return
	}
	kept := 0
	for _, what := range []string{"handshakes", "api", "files"} {
		kept += max(0, metric(a.body, `boreas_file_descriptors{for="`+what+`"}`))
	}
	if kept == 0 { // an older server
		kept = max(minKept, most/keptShare)
	}
	room := max(1, most-kept)
	text := fmt.Sprintf("%d of %d are in use; that is enough for about %d connections", open, most, room)
	switch {
	case open >= room:
		report(Failed, text+", and the server refuses more", moreDescriptors)
	case open >= room/10*8:
		report(Warning, text, moreDescriptors)
	case most < fewDescriptors:
		report(Warning, text, moreDescriptors)
	default:
		report(OK, text, "")
	}
}

// metric returns the value of a metric by its name with all labels, or -1 if there is none.
func metric(text, name string) int {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			if n, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return int(n)
			}
		}
	}
	return -1
}
