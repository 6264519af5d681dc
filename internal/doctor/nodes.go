package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// nodes checks whether all nodes of a cluster are alive and answer this one, and whether they have the
// same version. It reports nothing about a server that is alone.
func (v *visit) nodes(ctx context.Context, report reporter) {
	if v.health == nil || !v.allowed {
		return
	}
	a, err := v.get(ctx, v.o.API+"/v2/nodes", v.o.Key)
	if err != nil || a.status == http.StatusNotFound { // an older server
		return
	}
	var list struct {
		Node string
		Live []struct{ Node, Version string }

		Peers []string // all nodes, as this one is configured; none if they are not known
	}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &list) != nil {
		_, message := a.fault()
		report(Skipped, "/v2/nodes: "+message, "")
		return
	}
	if len(list.Live) == 0 {
		return
	}
	var names, silent, dead []string
	versions := make(map[string]string)
	for _, n := range list.Live {
		names = append(names, n.Node)
		if n.Version != "" {
			versions[n.Version] = n.Node
		}
		answer, err := v.get(ctx, v.o.API+"/v2/stats?node="+url.QueryEscape(n.Node), v.o.Key)
		if err != nil || answer.status != http.StatusOK {
			silent = append(silent, n.Node)
		}
	}
	for _, name := range list.Peers {
		if !slices.Contains(names, name) {
			dead = append(dead, name)
		}
	}
	text := fmt.Sprintf("%s sees %d live nodes: %s", list.Node, len(names), strings.Join(names, ", "))
	switch {
	case len(silent) > 0:
		report(Failed, text+"; no answer comes from "+strings.Join(silent, ", "), "See the logs of these nodes, and run `boreas cluster status`.")
	case len(dead) > 0:
		report(Failed, text+"; not alive: "+strings.Join(dead, ", "), "Start these nodes, or look at the network between the nodes.")
	case len(versions) > 1:
		report(Warning, text+"; they have different versions", "Finish the upgrade: run the same version on all nodes.")
	default:
		report(OK, text+", and all of them answer", "")
	}
}
