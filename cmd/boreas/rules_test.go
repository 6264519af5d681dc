package main

import "testing"

func TestRulesAreReadAsTheServerDoes(t *testing.T) {
	for text, good := range map[string]bool{
		`[{"channels":["a"],"allow":["join"]}]`:                           true,
		`[{"channels":["a \ud83d\ude00"],"allow":["join"]}]`:              true,
		`[{"channels":["a \ud83d"],"allow":["join"]}]`:                    false,
		"[{\"channels\":[\"a \xff\"],\"allow\":[\"join\"]}]":              false,
		`[{"channels":["a"],"deny":["join"],"deny":[]}]`:                  false,
		`[{"channels":["a"],"Deny":["join"]}]`:                            false,
		`[{"channels":["a"],"allow":["join"]}] [{"channels":["secret"]}]`: false,
	} {
		if _, err := parseRules([]byte(text)); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}
