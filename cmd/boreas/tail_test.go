package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The command watches again after the connection was lost, and ends when it is refused. Texts of
// clients cannot move the cursor.
func TestTailCommand(t *testing.T) {
	answers := []string{
		"event: hello\ndata: {\"time\":\"2026-01-02T03:04:05Z\",\"node\":\"n1\"}\n\n" +
			"event: nodes\ndata: {\"answered\":2,\"silent\":[\"n3\"]}\n\n" +
			`event: message` + "\n" + `data: {"time":"2026-01-02T03:04:05.6Z","channel":"a\u001b[2J","position":"1-2","size":3,"message":"x","user":"ann"}` + "\n\n" +
			`event: message` + "\n" + `data: {"time":"2026-01-02T03:04:05.6Z","channel":"b","position":"1-3","size":3,"key":"key_1","traceparent":"00-1-2-01","node":"n2"}` + "\n\n",
		`event: refused` + "\n" + `data: {"time":"2026-01-02T03:04:06Z","code":"not_permitted","message":"No rule allows it.","verb":"join","channel":"a","address":"192.0.2.1"}` + "\n\n" +
			`event: gap` + "\n" + `data: {"time":"2026-01-02T03:04:06Z","channel":"a","session":"s_1","reason":"expired","from":"1-1","to":"1-5"}` + "\n\n" +
			`event: missed` + "\n" + `data: {"count":7}` + "\n\n" +
			`event: end` + "\n" + `data: {"code":"invalid_key","message":"The key was revoked."}` + "\n\n",
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, answers[0]) //nolint:errcheck // a test's answer
		answers = answers[1:]
	}))
	defer api.Close()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"boreas", "tail", "a*"}, []string{"BOREAS_API_URL=" + api.URL, "TZ=UTC"}, strings.NewReader(""), &stdout, &stderr)
	if err == nil || err.Error() != "the server has ended the stream: The key was revoked." {
		t.Errorf("error %v", err)
	}
	got := regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d`).ReplaceAllString(stdout.String(), "T")
	got = regexp.MustCompile(`T\.\d{3} (nodes|missed|end)`).ReplaceAllString(got, "T $1") // they have no time
	want := `T nodes         2 answer silent: n3
T.600 message       a�[2J 1-2 "x" user=ann
T.600 message       b 1-3 3 bytes key=key_1 traceparent=00-1-2-01 node=n2
T.000 refused       a not_permitted join No rule allows it. from=192.0.2.1
T.000 gap           a expired 1-1 to 1-5 session=s_1
T missed        7 events were left out, because this reader was slow
T end           invalid_key The key was revoked.
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(stderr.String(), "trying again"); n != 1 {
		t.Errorf("%d attempts: %s", n, &stderr)
	}
}
