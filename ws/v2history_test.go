package ws

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
)

// clauses 7.1, 7.2: the members that read backwards, and those that exclude each other.
func TestHistoryBackwards(t *testing.T) {
	hub, addr := v2Server(t, overSocket, boreas.Options{}, Options{Heartbeat: 25 * time.Second})
	c := authenticated(t, addr)
	for _, data := range []string{"1", "2", "3"} {
		publish(t, hub, "news", data)
	}
	c.send(`{"id":1,"history":{"channel":"news","last":1}}`)
	var reply struct{ History struct{ Position string } }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(c.next(), "text ")), &reply); err != nil {
		t.Fatal(err)
	}
	newest := reply.History.Position
	c.expect(`{"id":2,"history":{"channel":"news","last":2}}`, `text {"id":2,"history":{"channel":"news","messages":[{"message":2,"position":"E-2"},{"message":3,"position":"E-3"}],"position":"E-3","more":true}}`)
	c.expect(`{"id":3,"history":{"channel":"news","before":"`+newest+`","limit":1}}`, `text {"id":3,"history":{"channel":"news","messages":[{"message":2,"position":"E-2"}],"position":"E-2","more":true}}`)
	c.expect(`{"id":4,"history":{"channel":"news","before":"`+newest+`"}}`, `text {"id":4,"history":{"channel":"news","messages":[{"message":1,"position":"E-1"},{"message":2,"position":"E-2"}],"position":"E-2","more":false}}`)
	c.expect(`{"id":5,"history":{"channel":"news","before":"1-1"}}`, `text {"id":5,"error":{"code":"unknown_epoch","message":"Position belongs to an earlier log of the channel.","retry":"never","docs":"docs/errors.md#unknown_epoch","oldest":"E-0"}}`)
	for _, members := range []string{`"last":1,"limit":1`, `"last":1,"since":"1-1"`, `"last":1,"before":"1-1"`, `"before":"1-1","since":"1-1"`} {
		c.expect(`{"id":6,"history":{"channel":"news",`+members+`}}`, `text {"id":6,"error":{"code":"malformed","message":"Send only one of since, before and last, and no limit with last.","retry":"never","docs":"docs/errors.md#malformed"}}`)
	}
	c.expect(`{"id":7,"history":{"channel":"news","last":1001}}`, `text {"id":7,"error":{"code":"malformed","message":"The last 1001 is not from 1 to 1000.","retry":"never","docs":"docs/errors.md#malformed"}}`)
	c.send(`{"id":8,"history":{"channel":"news","last":1,"times":true}}`)
	if got := c.next(); !regexp.MustCompile(`"time":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"}\],`).MatchString(got) {
		t.Errorf("with times: %s", got)
	}
}
