package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/natstest"
	"github.com/boreas-pubsub/boreas/v2/internal/ssetest"
	"github.com/boreas-pubsub/boreas/v2/internal/wstest"
)

// TestEachNode: a client of server-sent events and one of the classic wire are on the first of three nodes. What
// is published at another node reaches them, and an operator sees them from each node.
func TestEachNode(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	servers := "--engine=" + natstest.URLs(natstest.Start(t))[0] + " --nats-replicas=1 --cluster-history=64MiB"
	names := []string{"n1", "n2", "n3"}
	var all []*served
	for _, name := range names {
		all = append(all, startNode(t, append(strings.Fields(servers), "--node="+name, "--rules=room presence")...))
	}
	at := func(n int, args string) outcome { // runs a command at a node
		t.Helper()
		return started{args: args, extra: []string{"--api=http://" + all[n].api}}.run(t)
	}
	token := at(0, "token new --user=ann --allow=join:room")
	if token.Exit != 0 {
		t.Fatalf("%+v", token)
	}
	follow := func(channel string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+all[0].ws+"/v2/events?channel="+channel, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token.Stdout))
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	stream := ssetest.New(follow("room").Body)
	next := func() ssetest.Event {
		t.Helper()
		e, err := stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	next() // the answer to the join
	if refused := follow("secret"); refused.StatusCode != http.StatusForbidden {
		t.Fatalf("joining another channel: %s", refused.Status)
	}
	var made struct{ Token string }
	if _, _, answer := ask(t, "POST", "http://"+all[1].api+"/token/", "", nil); json.Unmarshal([]byte(answer), &made) != nil {
		t.Fatal(answer)
	}
	classic := wstest.Dial(t, "ws://"+all[0].ws+"/")
	classic.Send(map[string]any{"access_token": made.Token}, map[string]any{"channels": map[string]any{"join": []string{"room"}, "leave": []string{}}})

	refusal := `TIME: join "secret" was refused over sse
  The token's rules do not allow join on "secret": no rule allows join on this channel. (not_permitted)
  To do: Make a token whose rules allow the verb in the message on this channel. ` + "`boreas token inspect`" + ` shows the permissions of a token.
  The channel has no rule: no pattern in the server's option rules matches it
  It was from 127.0.0.1, user ann, token TOKEN, session SESSION
`
	const nothing = "user \"ann\": the server remembers no refusals; in a cluster, ask each node\n"
	type member struct {
		User     string
		Sessions []string
	}
	for i, n := range all {
		var present struct {
			Users, Sessions int
			Members         []member
		}
		for began := time.Now(); present.Sessions != 2; time.Sleep(10 * time.Millisecond) {
			_, _, answer := ask(t, "GET", "http://"+n.api+"/v2/channels/room/presence", "", nil)
			if err := json.Unmarshal([]byte(answer), &present); err != nil || time.Since(began) > time.Minute {
				t.Fatalf("%s shows the presence %s, %v", names[i], answer, err)
			}
		}
		ann := slices.IndexFunc(present.Members, func(m member) bool { return m.User == "ann" })
		if present.Users != 2 || len(present.Members) != 2 || ann < 0 || len(present.Members[ann].Sessions) != 1 {
			t.Fatalf("%s shows the presence %+v", names[i], present)
		}
		session := present.Members[ann].Sessions[0]

		others, pairs := "", ""
		for j, other := range all {
			if j != i {
				others += " --node=http://" + other.api
				pairs += "\nok       across       " + names[i] + " and " + names[j] + " have what is published at the other one"
			}
		}
		got := []string{at(i, "explain "+session).Stdout, at(i, "explain ann").Stdout, at(i, "doctor --ws=ws://"+n.ws+others).Stdout}
		for j, text := range got {
			text = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`).ReplaceAllString(text, "TIME")
			text = regexp.MustCompile(`tok_[\w-]+`).ReplaceAllString(text, "TOKEN")
			text = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1")
			got[j] = regexp.MustCompile(`s_n1_\w+`).ReplaceAllString(text, "SESSION")
		}
		got[2] = strings.Join(regexp.MustCompile(`(?m)^.* (events|nodes|across) .*$`).FindAllString(got[2], -1), "\n")
		want := []string{
			"session SESSION: connected by sse since TIME, from 127.0.0.1, user ann, token TOKEN, on 1 channel: room\n" +
				"session SESSION: the server remembers no refusals; in a cluster, ask each node\n",
			nothing,
			"ok       events       the stream begins at once, and a message arrives at once\n" +
				"ok       nodes        " + names[i] + " sees 3 live nodes: n1, n2, n3, and all of them answer" + pairs,
		}
		if i == 0 {
			want[1] = refusal // it is the node of the client
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", names[i], diff)
		}
	}
	if got := at(2, `publish room "from-n3"`); got.Exit != 0 {
		t.Fatalf("%+v", got)
	}
	var event struct{ Message string }
	if e := next(); json.Unmarshal([]byte(e.Data), &event) != nil || event.Message != "from-n3" {
		t.Errorf("the stream has %+v", e)
	}
	classic.Want(`{"message": "from-n3", "channel": "room"}`)
}

// ask sends a request, and returns the status, the Retry-After header and the body.
func ask(t *testing.T, method, url, key string, body []byte) (status int, after, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Retry-After"), string(text)
}
