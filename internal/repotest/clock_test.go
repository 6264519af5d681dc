package repotest

import (
	"regexp"
	"strings"
	"testing"
)

// wallTime lists the files of the product that may turn a time into a number, or remove its
// monotonic reading: their times are displayed, stored, or compared with another machine's
// clock, and do not measure elapsed time. Other files use package clock, or time.Time as
// time.Now returns it.
var wallTime = map[string]string{
	"internal/clock/clock.go": "the package that keeps the two apart",
	"auth/jwtclaims.go":       "exp, nbf and iat, by the issuer's clock",
	"auth/keys.go":            "when a key was made and last used: shown and stored",
	"auth/line.go":            "the journal's times",
	"auth/revocationset.go":   "until when a token was issued that is revoked: compared with iat",
	"auth/state.go":           "expiries, which are shown and stored",
	"auth/authority.go":       "expiries, which are shown and stored",
	"auth/revocations.go":     "until when a token was issued that is revoked",
	"auth/token.go":           "a part of a classic token, as in 2013",
	"auth/tokens.go":          "when a token was made: shown and stored",
	"inspect.go":              "since when a session lives: shown",
	"session.go":              "since when a session lives: shown",
	"ws/classic.go":           "a part of a name, as in 2013",
	"cmd/boreas/migration.go": "when a message was accepted, by the clock of the server that it comes from",

	"engine/cluster/cold.go":   "the age of messages on NATS, by its clock",
	"engine/cluster/epoch.go":  "when NATS has accepted the marker",
	"engine/cluster/watch.go":  "when NATS has accepted a message: it tells two messages apart",
	"engine/cluster/direct.go": "when NATS has accepted a message",
	"engine/cluster/stream.go": "the first sequence of a stream, above those of earlier streams",
	"engine/cluster/tail.go":   "when NATS has accepted a message",

	"auth/clusterstore/stream.go":    "the first sequence of a stream, above those of earlier streams",
	"internal/authtest/conflicts.go": "expiries, which are shown and stored",

	"api/trace.go":                "when a message was published: shown",
	"internal/protocol2/page.go":  "when a message was published: shown",
	"boreastest/shared.go":        "when a publication was made: shown",
	"internal/load/subscriber.go": "a deadline that has passed",
}

var wallTimeCall = regexp.MustCompile(`\.Unix(Nano|Milli|Micro)?\(\)|\.Round\(0\)|\btime\.Unix(Milli|Micro)?\(`)

// The machine's clock is set: how long data is kept must not depend on it.
func TestElapsedTimeIsMonotonic(t *testing.T) {
	used := map[string]bool{}
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "internal/trial/") || strings.HasPrefix(file, "internal/testca/") || strings.HasPrefix(file, "internal/systemtest/") {
			continue
		}
		text, found := read(t, file), ""
		if strings.Contains(text, ".Unix") || strings.Contains(text, ".Round(0)") { // faster than the pattern
			found = wallTimeCall.FindString(text)
		}
		if _, may := wallTime[file]; found == "" || may {
			used[file] = found != ""
			continue
		}
		t.Errorf("%s: %s makes a time depend on the wall clock, which anybody may set: measure with package clock, or name the file in wallTime and say what the time is for", file, found)
	}
	for file := range wallTime {
		if !used[file] {
			t.Errorf("wallTime names %s, which does not need it", file)
		}
	}
}
