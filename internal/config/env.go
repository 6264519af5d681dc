package config

import (
	"regexp"
	"strings"
)

// clientVariables are read by the subcommands that talk to a server, not by it.
var clientVariables = []string{"BOREAS_API", "BOREAS_WS", "BOREAS_TOKEN"}

// Kubernetes gives each pod variables for each Service; those for one named boreas
// begin as ours do.
var kubernetesName = regexp.MustCompile(`^BOREAS_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

var kubernetesValue = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// environment picks the options from an environment, by option name. A variable
// that is empty counts as not set, as container tools often leave them.
func (l *loader) environment(env []string) map[string]value {
	values := make(map[string]value)
	byVariable := make(map[string]string)
	var known []string
	for _, name := range l.names {
		variable := l.options[name].Env()
		byVariable[variable] = name
		known = append(known, variable)
	}
	known = append(known, clientVariables...)

	for _, assignment := range env {
		variable, text, _ := strings.Cut(assignment, "=")
		if !strings.HasPrefix(variable, EnvPrefix) || text == "" {
			continue
		}
		if name, ok := byVariable[variable]; ok {
			values[name] = value{text: text}
			continue
		}
		if isClientVariable(variable) || kubernetesName.MatchString(variable) || kubernetesValue.MatchString(text) {
			continue
		}
		l.fail(&Error{Where: variable, Message: "there is no such option" + didYouMean(variable, known)})
	}
	return values
}

func isClientVariable(variable string) bool {
	for _, v := range clientVariables {
		if v == variable {
			return true
		}
	}
	return false
}

// kubernetesHint explains a value that Kubernetes has put into one of our variables.
func kubernetesHint(text string) string {
	if !kubernetesValue.MatchString(text) {
		return ""
	}
	return " (Kubernetes sets this for a Service of that name: give the pod enableServiceLinks: false)"
}
