package oracle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/trial/oracle"
)

func TestJudgeRolls(t *testing.T) {
	state := oracle.Call{Event: "state", Members: []string{"a", "b"}, Users: 2}
	join := func(user string, users int) oracle.Call {
		return oracle.Call{Event: "join", User: user, Users: users}
	}
	leave := func(user string, users int) oracle.Call {
		return oracle.Call{Event: "leave", User: user, Users: users}
	}
	lost := oracle.Call{}
	for name, test := range map[string]struct {
		calls   []oracle.Call
		present []string
		want    []string
	}{
		"comes and goes":     {[]oracle.Call{state, join("c", 3), leave("a", 2)}, []string{"c", "b"}, nil},
		"lost in between":    {[]oracle.Call{state, lost, state, leave("b", 1)}, []string{"a"}, nil},
		"only counted":       {[]oracle.Call{state, {Event: "count", Users: 900}, join("z", 901)}, []string{"z"}, nil},
		"comes twice":        {[]oracle.Call{state, join("b", 2)}, nil, []string{"b came, and was there already"}},
		"goes twice":         {[]oracle.Call{state, leave("b", 1), leave("b", 1)}, nil, []string{"b left, and was not there"}},
		"wrong number":       {[]oracle.Call{state, join("c", 4)}, nil, []string{"4 users were told after join c, and 3 are known"}},
		"one was not told":   {[]oracle.Call{state}, []string{"a", "b", "c"}, []string{"in the end it knows of [a b], and there are [a b c]; the last events were [{state  [a b] 2}]"}},
		"one did not go":     {[]oracle.Call{state}, []string{"a"}, []string{"in the end it knows of [a b], and there are [a]; the last events were [{state  [a b] 2}]"}},
		"nobody is there":    {[]oracle.Call{state}, []string{}, []string{"in the end it knows of [a b], and there are []; the last events were [{state  [a b] 2}]"}},
		"the end is unknown": {[]oracle.Call{state, lost}, []string{"a"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			roll := &oracle.Roll{Subscriber: "s", Channel: "c", Calls: test.calls, Present: test.present}
			var got []string
			for _, f := range oracle.Judge(oracle.History{Log: oracle.NewLog(), Rolls: []*oracle.Roll{roll}}).Findings {
				got = append(got, f.Text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
