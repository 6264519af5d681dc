package client

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLongListsAreSplitIntoRequestsThatAServerAccepts(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, strings.Repeat(`"`, 250)+fmt.Sprintf("%05d", i))
	}
	var join, leave []string
	for _, r := range requests(names, names[:500]) {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 64<<10 {
			t.Errorf("a request has %d bytes, and the server takes 65536", len(text))
		}
		join, leave = append(join, r.Channels.Join...), append(leave, r.Channels.Leave...)
	}
	if diff := cmp.Diff(names, join); diff != "" {
		t.Errorf("joined (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(names[:500], leave); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if got := requests(nil, nil); got != nil {
		t.Errorf("requests for nothing: %v", got)
	}
}
