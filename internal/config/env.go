package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/v2/internal/spelling"
)

// Kubernetes adds variables for each Service to the environment of each pod. Those of a Service
// that is named boreas have the same prefix as the options.
var kubernetesName = regexp.MustCompile(`^BOREAS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

var kubernetesValue = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// environment returns the values of options in an environment, by option name. An empty variable
// counts as unset, because container tools often leave variables empty. others are variables with
// the same prefix that are not options.
func (l *loader) environment(env, others []string) map[string]value {
	values := make(map[string]value)
	byVariable := make(map[string]string)
	var known []string // without the prefix, so that it does not count as similarity
	for _, name := range l.names {
		variable := l.options[name].Env()
		byVariable[variable] = name
		known = append(known, strings.TrimPrefix(variable, EnvPrefix))
	}
	for _, variable := range others {
		known = append(known, strings.TrimPrefix(variable, EnvPrefix))
	}

	for _, assignment := range env {
		variable, text, _ := strings.Cut(assignment, "=")
		if !strings.HasPrefix(variable, EnvPrefix) || trimText(text) == "" {
			continue
		}
		if name, ok := byVariable[variable]; ok {
			values[name] = value{text: text}
			continue
		}
		if slices.Contains(others, variable) || kubernetesName.MatchString(variable) || kubernetesValue.MatchString(text) {
			continue
		}
		message := "there is no such option"
		if nearest := spelling.Nearest(strings.TrimPrefix(variable, EnvPrefix), known); nearest != "" {
			message += "; did you mean " + EnvPrefix + nearest + "?"
		}
		l.fail(&Error{Where: variable, Message: message})
	}
	return values
}

// kubernetesHint explains a value that Kubernetes has written into one of the options' variables.
func kubernetesHint(text string) string {
	if !kubernetesValue.MatchString(text) {
		return ""
	}
	return " (Kubernetes sets this for a Service of that name: give the pod enableServiceLinks: false)"
}
