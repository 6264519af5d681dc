package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

// maxRulesFile is the largest file of rules, in bytes. No token's rules are longer.
const maxRulesFile = 1 << 20

// rulesFlags returns the flags for the rules of a token.
func rulesFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "rules", Usage: "a `JSON` list of rules, or @FILE; [] allows nothing"},
		textsFlag("allow", "allow `VERBS:PATTERN`, as in join,publish:chat.*; can be repeated"),
		textsFlag("deny", "deny `VERBS:PATTERN`; this overrides every rule that allows"),
	}
}

// rulesOf reads the rulesFlags. It returns nil if none is set.
func rulesOf(cmd *cli.Command) ([]client.Rule, error) {
	var rules []client.Rule
	if cmd.IsSet("rules") {
		if cmd.IsSet("allow") || cmd.IsSet("deny") {
			return nil, usagef("--rules cannot be used with --allow and --deny: give all rules as JSON")
		}
		text, err := textOrFile(cmd.String("rules"))
		if err != nil {
			return nil, err
		}
		if rules, err = parseRules(text); err != nil {
			return nil, usagef("--rules: %w", err)
		}
	}
	for _, flag := range []string{"allow", "deny"} {
		for _, text := range textsOf(cmd, flag) {
			verbs, pattern, found := strings.Cut(text, ":")
			if !found || len(words(verbs)) == 0 {
				return nil, usagef("--%s=%s: give it as VERBS:PATTERN, as in join,publish:chat.*", flag, text)
			}
			rule := client.Rule{Channels: []string{pattern}, Allow: words(verbs)}
			if flag == "deny" {
				rule.Allow, rule.Deny = nil, rule.Allow
			}
			if _, err := permissions([]client.Rule{rule}); err != nil {
				return nil, usagef("--%s=%s: %w", flag, text, err)
			}
			rules = append(rules, rule)
		}
	}
	return rules, nil
}

// textOrFile returns the text, or for @NAME the content of the file NAME.
func textOrFile(text string) ([]byte, error) {
	name, isFile := strings.CutPrefix(text, "@")
	if !isFile {
		return []byte(text), nil
	}
	read, err := textfile.Read(name, maxRulesFile)
	if err != nil {
		return nil, fmt.Errorf("read the rules from %s: %w", name, err)
	}
	return read, nil
}

// parseRules parses a list of rules. Unknown members are errors, because a misspelt "deny" must not
// be ignored.
func parseRules(text []byte) ([]client.Rule, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var rules []client.Rule
	if err := d.Decode(&rules); err != nil {
		return nil, fmt.Errorf(`this is not a JSON list of rules such as [{"channels":["chat.*"],"allow":["join"]}]: %w`, err)
	}
	if d.More() || rules == nil {
		return nil, fmt.Errorf(`there must be one JSON list; for a token that allows everything, omit the rules`)
	}
	if _, err := permissions(rules); err != nil {
		return nil, err
	}
	// The server's decoder is stricter: encoding/json uses the last of two members with the same
	// name, and replaces half of a surrogate pair.
	if _, err := auth.ParseRules(text); err != nil {
		return nil, err
	}
	return rules, nil
}

// permissions returns the rules in the server's form: one permission for each pattern, in order.
func permissions(rules []client.Rule) ([]access.Permission, error) {
	list := []access.Permission{}
	for i, rule := range rules {
		var allow, deny access.Verb
		for names, set := range map[*[]string]*access.Verb{&rule.Allow: &allow, &rule.Deny: &deny} {
			for _, name := range *names {
				verb, err := access.ParseVerb(name)
				if err != nil {
					return nil, err
				}
				*set |= verb
			}
		}
		if len(rule.Channels) == 0 {
			return nil, fmt.Errorf("rule %d names no channels", i+1)
		}
		for _, pattern := range rule.Channels {
			list = append(list, access.Permission{Pattern: pattern, Allow: allow, Deny: deny, Rule: i + 1})
		}
	}
	_, err := access.NewPermissions(list)
	return list, err
}
