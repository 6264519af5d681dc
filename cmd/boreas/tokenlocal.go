package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/fault"
	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// localFlags returns flags for the server's options about JWTs.
func localFlags() []cli.Flag {
	return someOptionFlags(func(name string) bool { return name == "config" || strings.HasPrefix(name, "jwt_") })
}

// inspectLocally checks a JWT as a server with these options would.
func (p *program) inspectLocally(_ context.Context, cmd *cli.Command, token string, asks []client.Ask) (none client.Inspection, _ error) {
	if cmd.IsSet("api") || cmd.IsSet("key-file") {
		return none, usagef("--api and --key-file cannot be used with --local, which uses no server")
	}
	questions := make([]access.Verb, len(asks))
	for i, ask := range asks {
		var err error
		if questions[i], err = access.ParseVerb(ask.Verb); err != nil {
			return none, usagef("--can: %w", err)
		}
	}
	cfg, err := p.readConfig(cmd)
	if err != nil {
		return none, err
	}
	if cfg.JWTKeys == "" {
		return none, usagef("--local needs the keys that sign JWTs: --jwt-keys, or jwt_keys in the server's file")
	}
	jwt, err := auth.NewJWT(auth.JWTOptions{
		Keys: cfg.JWTKeyList(), Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Leeway: cfg.JWTLeeway,
		UserClaim: cfg.JWTUserClaim, RulesClaim: cfg.JWTRulesClaim, InfoClaim: cfg.JWTInfoClaim, DefaultRules: cfg.JWTDefaultRules,
	})
	if err != nil {
		return none, usageError{err}
	}
	defer jwt.Close()
	if !jwt.Looks(token) {
		return none, usagef("this is not a JWT, and --local can only check JWTs: omit --local to ask the server")
	}
	grant, err := jwt.Check(access.Credentials{Token: token})
	switch f := fault.Of(err); f {
	case nil:
		return inspectionOf(grant, cfg, asks, questions), nil
	case fault.AuthUnavailable, fault.Internal: // the token's validity is unknown
		return none, err
	default:
		return client.Inspection{Error: &client.TokenError{Code: f.Code, Message: fault.Message(err), Retry: string(f.Retry), Docs: f.Docs()}}, nil
	}
}

// inspectionOf returns the server's answer, except that it does not know revocations.
func inspectionOf(g *access.Grant, cfg config.Config, asks []client.Ask, verbs []access.Verb) client.Inspection {
	i := client.Inspection{Valid: true, Kind: g.Kind, ID: g.TokenID, User: g.User, Issued: g.Issued, Expires: g.Expires, Key: g.Key}
	if g.Permissions != nil {
		i.Rules = []client.Rule{}
	}
	for _, p := range g.Permissions.List() {
		if n := len(i.Rules); n > 0 && n == p.Rule {
			i.Rules[n-1].Channels = append(i.Rules[n-1].Channels, p.Pattern)
			continue
		}
		i.Rules = append(i.Rules, client.Rule{Channels: []string{p.Pattern}, Allow: words(p.Allow.String()), Deny: words(p.Deny.String())})
	}
	rules := cfg.ChannelRules()
	i.Warnings = g.Permissions.DotWarnings(g.User, rules.Text)
	for n, ask := range asks {
		d := g.Permissions.Decide(verbs[n], ask.Channel)
		v := client.Verdict{Verb: ask.Verb, Channel: ask.Channel, Allowed: d.Allowed, By: g.Permissions.Explain(verbs[n], d)}
		if d.Allowed && verbs[n] == access.VerbPublish && !rules.For(ask.Channel).ClientPublish {
			v.Allowed, v.By = false, "the channel's rule does not let clients publish (client_publish)"
		}
		i.Can = append(i.Can, v)
	}
	return i
}
