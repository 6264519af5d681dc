package sse

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/protocol2"
	"github.com/boreas-pubsub/boreas/v2/internal/spelling"
)

// maxChannels is the maximum number of channels of one stream (clause 10.1).
const maxChannels = 64

// request is a client's request for a stream.
type request struct {
	joins []boreas.Join // at least one, no channel twice
	check uint32        // of their channels
	shown access.Credentials
}

// parseRequest reads a request's parameters and headers.
func parseRequest(r *http.Request) (request, error) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return request{}, malformed("the parameters after ? cannot be read: %v", err)
	}
	if err := misspelt(params); err != nil {
		return request{}, err
	}
	var q request
	channels, err := channelsOf(params)
	if err != nil {
		return q, err
	}
	q.check = checkOf(channels)
	last, err := lastOf(params.Get("last"))
	if err != nil {
		return q, err
	}
	watch, err := watchOf(params.Get("presence"))
	if err != nil {
		return q, err
	}
	for _, channel := range channels {
		q.joins = append(q.joins, boreas.Join{Channel: channel, Last: last, Watch: watch})
	}
	if err := q.since(params); err != nil {
		return q, err
	}
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = cmp.Or(params.Get("last_event_id"), params.Get("lastEventId"))
	}
	if id == "" {
		return q, nil
	}
	places, err := parseID(id, q.check, len(q.joins))
	for i, place := range places {
		if !place.IsZero() {
			q.joins[i].Since, q.joins[i].Err = place, nil
		}
	}
	return q, err
}

func malformed(format string, args ...any) error {
	s := fmt.Sprintf(format, args...)
	return fault.Malformed.With(strings.ToUpper(s[:1]) + s[1:] + ".")
}

// parameters are the names of the parameters that a request may have, except since.NAME. EventSource
// libraries write lastEventId.
var parameters = []string{"channel", "last", "presence", "last_event_id", "lastEventId", "access_token"}

// misspelt refuses a parameter with a name similar to a known one (clause 10.6), because ignoring
// it would start the stream at another position. Other names are ignored, because pages add their
// own parameters to avoid caching.
func misspelt(params url.Values) error {
	for name, values := range params {
		switch {
		case slices.Contains(parameters, name):
			if len(values) > 1 && name != "channel" {
				return malformed("the parameter %s is given %d times", name, len(values))
			}
		case sinceSlip(name):
			return malformed("there is no parameter %.40s: write since.NAME", strconv.QuoteToASCII(name))
		case spelling.Slip(name, parameters) != "":
			return malformed("there is no parameter %.40s: write %s", strconv.QuoteToASCII(name), spelling.Slip(name, parameters))
		}
	}
	return nil
}

// sinceSlip reports whether a parameter misspells since.NAME.
func sinceSlip(name string) bool {
	before, _, dotted := strings.Cut(name, ".")
	return dotted && spelling.Slip(before, []string{"since"}) != ""
}

// channelsOf returns the named channels without duplicates.
func channelsOf(params url.Values) ([]string, error) {
	var channels []string
	named := make(map[string]bool)
	for _, name := range params["channel"] {
		if !named[name] {
			named[name] = true
			channels = append(channels, name)
		}
		if len(channels) > maxChannels {
			return nil, fault.TooManyChannels.With("A stream has at most " + strconv.Itoa(maxChannels) + " channels, and this request names more.")
		}
	}
	if channels == nil {
		return nil, malformed("name at least one channel, as in %s?channel=news", Path)
	}
	return channels, nil
}

func lastOf(param string) (int, error) {
	if param == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(param, 10, 53)
	if err != nil {
		return 0, malformed("the parameter last is not an integer from 0 to 9007199254740991")
	}
	return int(min(n, math.MaxInt32)), nil
}

func watchOf(param string) (bool, error) {
	switch param {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, malformed("the parameter presence is neither true nor false")
}

// since sets the positions where the channels begin (clause 10.6). An invalid position is an error
// of that channel only.
func (q *request) since(params url.Values) error {
	for param := range params {
		channel, ok := strings.CutPrefix(param, "since.")
		if param == "since" {
			return malformed("there is no parameter since: write since.NAME=POSITION for the channel NAME")
		}
		if !ok {
			continue
		}
		i := slices.IndexFunc(q.joins, func(j boreas.Join) bool { return j.Channel == channel })
		if i < 0 {
			return malformed("the parameter since.%.40s names a channel that the request does not join", strings.ToValidUTF8(channel, "\uFFFD"))
		}
		q.joins[i].Since, q.joins[i].Err = protocol2.Position(params.Get(param))
	}
	return nil
}
