package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Input holds the sources of options for [Load].
type Input struct {
	// Flags are the values given on the command line, by option name.
	Flags map[string]string

	// Env is the environment, in the form of os.Environ.
	Env []string

	// OtherEnv are environment variables with the options' prefix that are not options.
	OtherEnv []string

	// Dir is the directory in which to look for configuration files; "" means the working
	// directory.
	Dir string
}

// Load reads all options. The error, if any, joins one [Error] for each error with errors.Join.
func Load(in Input) (Config, error) {
	l := newLoader()

	// In reverse order of precedence: a later source replaces the values of an earlier one.
	env := l.environment(in.Env, in.OtherEnv)
	path := env["config"].text
	if name, ok := in.Flags["config"]; ok {
		path = name
	}
	l.file(in.Dir, trimText(path))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		o := l.options[name]
		l.set(o, env[name], o.Env(), func(err error) *Error {
			return &Error{Where: o.Env(), Message: err.Error() + kubernetesHint(env[name].text)}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(in.Flags)) {
		o := l.options[name]
		if text := trimText(in.Flags[name]); o.password && text != "" && !strings.HasPrefix(text, fileScheme) {
			l.fail(&Error{
				Where: "--" + o.Flag(),
				Message: "other users of this machine can read command lines: write the secret to a file and give " + fileScheme + "PATH, " +
					"or give it as " + o.Env(),
			})
			continue
		}
		l.set(o, value{text: in.Flags[name]}, "--"+o.Flag(), func(err error) *Error {
			return &Error{Where: "--" + o.Flag(), Message: err.Error()}
		})
	}
	l.checkTogether()
	errs := make([]error, len(l.errs))
	for i, err := range l.errs {
		errs[i] = err
	}
	return l.config, errors.Join(errs...)
}

type loader struct {
	config  Config
	options map[string]Option
	names   []string
	errs    []*Error
	base    string // the directory of the configuration file
}

func newLoader() *loader {
	l := &loader{config: Default(), options: make(map[string]Option)}
	l.config.origins = make(map[string]string)
	for _, o := range Options() {
		l.options[o.Name] = o
		l.names = append(l.names, o.Name)
	}
	return l
}

func (l *loader) fail(err *Error) { l.errs = append(l.errs, err) }

// set sets an option and reports whether the value was valid. blame creates an Error for each fault
// of the value.
func (l *loader) set(o Option, v value, origin string, blame func(error) *Error) bool {
	if o.Name == "config" {
		l.config.origins[o.Name] = origin
		return true // already used
	}
	if err := o.set(&l.config, v); err != nil {
		if several, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range several.Unwrap() {
				l.fail(blame(err))
			}
			return false
		}
		l.fail(blame(err))
		return false
	}
	l.config.origins[o.Name] = origin
	return true
}

// checkTogether checks options that depend on each other.
func (l *loader) checkTogether() {
	l.checkTLS()
	l.chooseEngine()
	c := l.config
	if c.APIPort == c.WSPort && c.APIPort != 0 && len(l.errs) == 0 && overlap(c.APIHost, c.WSHost) {
		name := "ws_port"
		if !c.Given(name) {
			name = "api_port"
		}
		l.fail(&Error{
			Where:   c.Origin(name),
			Message: fmt.Sprintf("api_port and ws_port are both %d: backends and subscribers need different ports", c.APIPort),
		})
	}
	if c.ProxyProtocol && len(l.errs) == 0 && len(c.Trusted()) == 0 {
		l.fail(&Error{
			Where:   c.Origin("proxy_protocol"),
			Message: "proxy_protocol needs trusted_proxies: name the proxies that send its headers",
		})
	}
	if c.WSPingInterval > 0 && c.WSPingTimeout > c.WSPingInterval && c.Given("ws_ping_timeout") && len(l.errs) == 0 {
		l.fail(&Error{
			Where: c.Origin("ws_ping_timeout"),
			Message: "ws_ping_timeout: " + FormatDuration(c.WSPingTimeout) + " is longer than ws_ping_interval, " +
				FormatDuration(c.WSPingInterval) + ": make it at most as long",
		})
	}
	for _, name := range []string{"jwt_issuer", "jwt_audience", "jwt_leeway", "jwt_user_claim", "jwt_rules_claim", "jwt_default_rules"} {
		if o := l.options[name]; c.JWTKeys == "" && o.format(c) != o.Default {
			l.config.Notes = append(l.config.Notes, name+" is given and jwt_keys is not: without keys the server accepts no JWT")
		}
	}
	if c.TokenCookie != "" && slices.Contains(c.AllowedOrigins(), "*") && len(l.errs) == 0 {
		l.fail(&Error{
			Where: c.Origin("token_cookie"),
			Message: "token_cookie: a browser sends the cookie for every page that it shows, so any page could act for its user: " +
				"name the origins of your own pages in allow_origin",
		})
	}
}

// overlap reports whether listeners on the two hosts can use the same address. Names would need DNS,
// so they are not compared.
func overlap(a, b string) bool {
	all := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	local := func(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }
	return a == b || all(a) || all(b) || local(a) && local(b) && (a == "localhost" || b == "localhost")
}
