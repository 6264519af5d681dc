package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

// Invalid input fails before it is sent, and does not affect valid input. Otherwise the server
// would refuse other entries of the same request, and JSON would change text that is not UTF-8.
func TestWrongArgumentsAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, _ := f.conn(ConnectOptions{})
		p := f.accept()
		long, half := strings.Repeat("x", 256), "room \xed\xa0\xbd" // half of a surrogate pair
		ctx := t.Context()
		for _, name := range []string{"", long, half, "a\nb", "a\u0085b"} {
			_, join := c.Subscribe(ctx, name, SubscribeOptions{})
			_, publish := c.Publish(ctx, name, 1, PublishOptions{})
			_, history := c.History(ctx, name, HistoryOptions{})
			_, presence := c.Presence(ctx, name)
			for what, err := range map[string]error{"join": join, "publish": publish, "history": history, "presence": presence} {
				if err == nil {
					t.Errorf("%s on %q was sent", what, name)
				}
			}
		}
		for _, o := range []SubscribeOptions{
			{Last: -1}, {Info: func() {}}, {Info: json.RawMessage("{")}, {Info: json.RawMessage("\"\xff\"")},
		} {
			if _, err := c.Subscribe(ctx, "a", o); err == nil {
				t.Errorf("%+v was sent", o)
			}
		}
		for _, o := range []PublishOptions{{Key: half}, {Key: long}, {Key: " a"}, {Key: "a\n"}} {
			if _, err := c.Publish(ctx, "a", 1, o); err == nil {
				t.Errorf("%+v was sent", o)
			}
		}
		if _, err := c.Publish(ctx, "a", json.RawMessage("\"\xff\""), PublishOptions{}); err == nil {
			t.Error("a message that is not UTF-8 was sent")
		}
		p.want()
		go c.Subscribe(ctx, "a", SubscribeOptions{Last: math.MaxInt}) //nolint:errcheck // ends with the test
		p.want(`{"id":1,"join":{"channels":[{"channel":"a","last":2147483647}]}}`)
	})
}

func TestOneWrongMessageOfManyFailsAlone(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Messages []json.RawMessage }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		bodies = append(bodies, fmt.Sprintf("%s", body.Messages))
		fmt.Fprintf(w, `{"results":[%s]}`, strings.TrimSuffix(strings.Repeat(`{"position":"p1"},`, len(body.Messages)), ","))
	}))
	defer server.Close()
	c, err := New(Options{API: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wrong := []Outgoing{
		{Channel: "a\xff", Message: 1},
		{Channel: "", Message: 1},
		{Channel: "a", Message: func() {}},
		{Channel: "a", Message: json.RawMessage("{")},
		{Channel: "a", Message: 1, Key: "\xff"},
		{Channel: "a", Message: 1, Key: "k "},
	}
	results, err := c.PublishMany(t.Context(), append(append([]Outgoing{{Channel: "a", Message: 1}}, wrong...), Outgoing{Channel: "b", Message: 2, Key: "k"}))
	if err != nil || len(results) != 2+len(wrong) {
		t.Fatalf("%+v, %v", results, err)
	}
	for i, r := range results {
		switch good := i == 0 || i == len(results)-1; {
		case good && (r.Err != nil || r.Position != "p1"):
			t.Errorf("message %d: %+v", i, r)
		case !good && !errors.As(r.Err, new(*Error)):
			t.Errorf("message %d was published: %+v", i, r)
		}
	}
	if results, err := c.PublishMany(t.Context(), wrong); err != nil || len(results) != len(wrong) {
		t.Errorf("%+v, %v", results, err)
	}
	if want := `[{"channel":"a","message":1} {"channel":"b","key":"k","message":2}]`; len(bodies) != 1 || bodies[0] != want {
		t.Errorf("sent %q", bodies)
	}
}

// Joins that a server refuses as a whole are retried in halves, until the invalid one is alone.
func TestARefusedJoinIsFoundAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, states := f.conn(ConnectOptions{})
		outcomes := map[string]*diary{}
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			outcomes[name] = new(diary)
			go func() {
				_, err := c.Subscribe(t.Context(), name, SubscribeOptions{})
				outcomes[name].note("%v", err)
			}()
			synctest.Wait()
		}
		p := f.accept()
		const malformed = `"error":{"code":"malformed","message":"Wrong.","retry":"never"}}`
		p.want(`{"id":1,"join":{"channels":[{"channel":"a"},{"channel":"b"},{"channel":"c"},{"channel":"d"},{"channel":"e"}]}}`)
		p.send(`{"id":1,` + malformed)
		p.want(`{"id":2,"join":{"channels":[{"channel":"a"},{"channel":"b"},{"channel":"c"}]}}`, `{"id":3,"join":{"channels":[{"channel":"d"},{"channel":"e"}]}}`)
		p.send(`{"id":2,"join":{"channels":[{"channel":"a","position":"p"},{"channel":"b","position":"p"},{"channel":"c","position":"p"}]}}`)
		for _, name := range []string{"a", "b", "c"} {
			outcomes[name].want(t, "<nil>")
		}
		p.send(`{"id":3,` + malformed)
		p.want(`{"id":4,"join":{"channels":[{"channel":"d"}]}}`, `{"id":5,"join":{"channels":[{"channel":"e"}]}}`)
		p.send(`{"id":4,` + malformed)
		p.send(`{"id":5,"join":{"channels":[{"channel":"e","position":"p"}]}}`)
		outcomes["d"].want(t, `join "d": the server refused: Wrong. (malformed)`)
		outcomes["e"].want(t, "<nil>")
		states.want(t, "connecting 1", "connected s_1 ")
	})
}
