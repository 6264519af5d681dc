package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPurgeCommand(t *testing.T) {
	for name, test := range map[string]struct {
		started
		want outcome
	}{
		"purged": {
			started{args: "purge a/b", env: []string{"BOREAS_API_KEY=bk_env"}, answer: `{"position":"1-2"}`},
			outcome{Stdout: "{\"position\":\"1-2\"}\n", Requests: []string{"DELETE /v2/channels/a%2Fb/messages Bearer bk_env"}},
		},
		"an engine that cannot": {
			started{args: "purge a", answer: `501 {"error":{"code":"no_purge","message":"It cannot."}}`},
			outcome{
				Exit:     1,
				Stderr:   "boreas: purge \"a\": the server answered 501 Not Implemented: It cannot. (no_purge)\n",
				Requests: []string{"DELETE /v2/channels/a/messages"},
			},
		},
		"an old server": {
			started{args: "purge a", answer: `405 {"error":{"code":"method_not_allowed","message":"No."}}`},
			outcome{
				Exit:     1,
				Stderr:   "boreas: purge \"a\": the server answered 405 Method Not Allowed: No. (method_not_allowed); the server may be older than this command\n",
				Requests: []string{"DELETE /v2/channels/a/messages"},
			},
		},
		"no channel":   {started{args: "purge"}, outcome{Exit: 2, Stderr: "boreas: give one argument: boreas purge CHANNEL\n"}},
		"two channels": {started{args: "purge a b"}, outcome{Exit: 2, Stderr: "boreas: give one argument: boreas purge CHANNEL\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.run(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
