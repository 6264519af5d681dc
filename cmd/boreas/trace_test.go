package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTraceCommand(t *testing.T) {
	const found = `{"channel":"a/b","position":"1-2","time":"2026-01-02T03:04:05.678Z","size":3,"message":"\u001b","delivered":2,"subscribers":2,"behind":[]}`
	for name, test := range map[string]struct {
		started
		want outcome
	}{
		"everybody has it": {
			started{args: "trace a/b 1-2", answer: found},
			outcome{
				Stdout:   "\"a/b\" 1-2: published at 2026-01-02T03:04:05.678Z, 3 bytes\n  \"\\u001b\"\n2 of 2 subscribers have it\n",
				Requests: []string{"GET /v2/channels/a%2Fb/messages/1-2"},
			},
		},
		"some do not, with the verb view": {
			started{args: "trace a 1-2", env: []string{"BOREAS_API_KEY=bk_env"}, answer: `{"channel":"a","position":"1-2","time":"2026-01-02T03:04:05Z","size":1,"by":{"key":"key_1","name":"shop","node":"n1"},"traceparent":"00-1-2-01",` +
				`"delivered":1,"subscribers":4,"behind":[{"session":"s_1","user":"u\u001b[2J","behind":17,"blocked_ms":4100},{"session":"s_23","behind":1,"blocked_ms":0}],"nodes":{"answered":1,"silent":["n2","n3"]}}`},
			outcome{
				Stdout: "\"a\" 1-2: published at 2026-01-02T03:04:05.000Z by key shop (key_1), at node n1, 1 byte\ntraceparent 00-1-2-01\n1 of 4 subscribers have it\n" +
					"SESSION  USER   BEHIND  BLOCKED\ns_1      u�[2J  17      4.1s\ns_23     -      1       -\nand 1 more\n" +
					"nodes that did not answer, so their subscribers do not count: n2, n3\n",
				Requests: []string{"GET /v2/channels/a/messages/1-2 Bearer bk_env"},
			},
		},
		"as JSON": {
			started{args: "trace --json a/b 1-2", answer: `{"channel":"a/b","position":"1-2","time":"2026-01-02T03:04:05.678Z","size":4,"message":null,"by":{"user":"u","session":"s_1"},"delivered":0,"subscribers":0,"behind":[]}`},
			outcome{
				Stdout: "{\n  \"channel\": \"a/b\",\n  \"position\": \"1-2\",\n  \"time\": \"2026-01-02T03:04:05.678Z\",\n  \"size\": 4,\n  \"message\": null,\n" +
					"  \"by\": {\n    \"user\": \"u\",\n    \"session\": \"s_1\"\n  },\n  \"delivered\": 0,\n  \"subscribers\": 0,\n  \"behind\": []\n}\n",
				Requests: []string{"GET /v2/channels/a%2Fb/messages/1-2"},
			},
		},
		"no message": {
			started{args: "trace a 1-2", answer: `404 {"error":{"code":"no_message","message":"It has expired."}}`},
			outcome{
				Exit:     1,
				Stderr:   "boreas: trace the message 1-2 of \"a\": the server answered 404 Not Found: It has expired. (no_message)\n",
				Requests: []string{"GET /v2/channels/a/messages/1-2"},
			},
		},
		"an old server": {
			started{args: "trace a 1-2", answer: `404 {"error":{"code":"not_found","message":"Nothing."}}`},
			outcome{
				Exit:     1,
				Stderr:   "boreas: trace the message 1-2 of \"a\": the server answered 404 Not Found: Nothing. (not_found); the server may be older than this command\n",
				Requests: []string{"GET /v2/channels/a/messages/1-2"},
			},
		},
		"one argument": {started{args: "trace a"}, outcome{Exit: 2, Stderr: "boreas: give two arguments: boreas trace CHANNEL POSITION\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, test.run(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
