package charttest

import (
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
)

// eachSet calls do with each set of values and its rendering.
func eachSet(t *testing.T, do func(t *testing.T, r rendering)) {
	t.Helper()
	for _, set := range sets(t) {
		t.Run(set, func(t *testing.T) { do(t, rendered(t, set)) })
	}
}

// TestNoSecrets: secrets are only named, and never rendered.
func TestNoSecrets(t *testing.T) {
	eachSet(t, func(t *testing.T, r rendering) {
		if n := len(each[*core.Secret](r)); n > 0 {
			t.Errorf("the chart has %d secrets", n)
		}
	})
}

// TestNames: every object is in the namespace of the release, and no two have the same kind and name.
func TestNames(t *testing.T) {
	eachSet(t, func(t *testing.T, r rendering) {
		seen := map[string]bool{}
		for _, o := range r.objects {
			m, err := meta.Accessor(o)
			if err != nil {
				t.Fatal(err)
			}
			id := o.GetObjectKind().GroupVersionKind().Kind + " " + m.GetName()
			if seen[id] {
				t.Errorf("there are two objects %s", id)
			}
			seen[id] = true
			if m.GetNamespace() != namespace {
				t.Errorf("%s is in the namespace %q", id, m.GetNamespace())
			}
			if m.GetLabels()["app.kubernetes.io/instance"] != release {
				t.Errorf("%s has the labels %v", id, m.GetLabels())
			}
		}
	})
}

// TestSelectors: every selector selects the pods, and the one of the ServiceMonitor one service.
func TestSelectors(t *testing.T) {
	eachSet(t, func(t *testing.T, r rendering) {
		s := one[*apps.StatefulSet](t, r)
		pods := labels.Set(s.Spec.Template.Labels)
		selects := func(what string, selector *v1.LabelSelector) {
			t.Helper()
			p, err := v1.LabelSelectorAsSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			if p.Empty() || !p.Matches(pods) {
				t.Errorf("%s selects %v, and the pods have %v", what, selector, pods)
			}
		}
		selects("the StatefulSet", s.Spec.Selector)
		for _, c := range s.Spec.Template.Spec.TopologySpreadConstraints {
			selects("the constraint for "+c.TopologyKey, c.LabelSelector)
		}
		for _, service := range each[*core.Service](r) {
			selects("the service "+service.Name, &v1.LabelSelector{MatchLabels: service.Spec.Selector})
			for _, pod := range each[*core.Pod](r) {
				if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
					t.Errorf("the service %s selects the pod %s of a test", service.Name, pod.Name)
				}
			}
		}
		for _, p := range each[*policy.PodDisruptionBudget](r) {
			selects("the PodDisruptionBudget", p.Spec.Selector)
			if s.Spec.Replicas != nil && *s.Spec.Replicas == 1 {
				t.Error("there is a PodDisruptionBudget for one pod, which could block a drain")
			}
		}
		for _, p := range each[*networking.NetworkPolicy](r) {
			selects("the NetworkPolicy", &p.Spec.PodSelector)
		}
		for _, m := range each[*monitoring.ServiceMonitor](r) {
			p, err := v1.LabelSelectorAsSelector(&m.Spec.Selector)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, service := range each[*core.Service](r) {
				if p.Matches(labels.Set(service.Labels)) {
					found = append(found, service.Name)
				}
			}
			if !slices.Equal(found, []string{"live-push-api"}) {
				t.Errorf("the ServiceMonitor selects the services %v", found)
			}
		}
		if a := each[*autoscaling.HorizontalPodAutoscaler](r); len(a) == 1 {
			if to := a[0].Spec.ScaleTargetRef; to.Kind != "StatefulSet" || to.Name != s.Name || to.APIVersion != "apps/v1" || s.Spec.Replicas != nil {
				t.Errorf("the autoscaler is for %+v, and the StatefulSet has replicas %v", to, s.Spec.Replicas)
			}
		}
	})
}

// TestPorts: every name of a port leads to a port of the container.
func TestPorts(t *testing.T) {
	eachSet(t, func(t *testing.T, r rendering) {
		s := one[*apps.StatefulSet](t, r)
		c := s.Spec.Template.Spec.Containers[0]
		ports := map[string]int32{}
		for _, p := range c.Ports {
			ports[p.Name] = p.ContainerPort
		}
		exists := func(what, name string) {
			t.Helper()
			if ports[name] == 0 {
				t.Errorf("%s has the port %q, and the container has %v", what, name, ports)
			}
		}
		byService := map[string][]string{}
		for _, service := range each[*core.Service](r) {
			for _, p := range service.Spec.Ports {
				exists("the service "+service.Name, p.TargetPort.StrVal)
				byService[service.Name] = append(byService[service.Name], p.Name)
				if p.Name != p.TargetPort.StrVal || service.Spec.ClusterIP == "None" && p.Port != ports[p.Name] {
					t.Errorf("the service %s has the port %+v, and the container has %v", service.Name, p, ports)
				}
			}
		}
		for name, p := range map[string]*core.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			exists("the probe "+name, p.HTTPGet.Port.StrVal)
		}
		for _, p := range each[*networking.NetworkPolicy](r) {
			rules := map[string]int{}
			for _, rule := range p.Spec.Ingress {
				for _, port := range rule.Ports {
					exists("the NetworkPolicy", port.Port.StrVal)
					rules[port.Port.StrVal] = len(rule.From)
				}
			}
			if rules["api"] == 0 || ports["cluster"] != 0 && rules["cluster"] != 1 {
				t.Errorf("the NetworkPolicy lets everyone or nobody reach a port: it has %v rules", rules)
			}
		}
		for _, i := range each[*networking.Ingress](r) {
			for _, rule := range i.Spec.Rules {
				for _, p := range rule.HTTP.Paths {
					if b := p.Backend.Service; !slices.Contains(byService[b.Name], b.Port.Name) || b.Port.Name != "ws" {
						t.Errorf("the Ingress leads to the port %s of the service %s", b.Port.Name, b.Name)
					}
				}
			}
		}
		for _, m := range each[*monitoring.ServiceMonitor](r) {
			for _, e := range m.Spec.Endpoints {
				if e.Port != "api" || e.Path != "/metrics" || e.Authorization == nil || e.Authorization.Credentials.Name == "" {
					t.Errorf("the ServiceMonitor has the endpoint %+v", e)
				}
			}
		}
	})
}

// TestProbes: the probes use TLS where the port does, and the API's port only if it needs no
// certificate of its clients.
func TestProbes(t *testing.T) {
	for set, want := range map[string]string{
		"defaults":   "startup api HTTP /healthz, readiness ws HTTP /readyz, liveness api HTTP /healthz",
		"tls":        "startup ws HTTPS /healthz, readiness ws HTTPS /readyz, liveness ws HTTPS /healthz",
		"proxy":      "startup api HTTP /healthz, readiness api HTTP /readyz, liveness api HTTP /healthz",
		"everything": "startup api HTTPS /healthz, readiness ws HTTP /readyz, liveness api HTTPS /healthz",
	} {
		c := one[*apps.StatefulSet](t, rendered(t, set)).Spec.Template.Spec.Containers[0]
		var got []string
		for _, p := range []struct {
			name  string
			probe *core.Probe
		}{{"startup", c.StartupProbe}, {"readiness", c.ReadinessProbe}, {"liveness", c.LivenessProbe}} {
			get := p.probe.HTTPGet
			scheme := get.Scheme
			if scheme == "" {
				scheme = core.URISchemeHTTP
			}
			got = append(got, strings.Join([]string{p.name, get.Port.StrVal, string(scheme), get.Path}, " "))
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: got %s\nwant %s", set, text, want)
		}
	}
}

// TestPodSecurity evaluates the pods with the code of Kubernetes for the level "restricted".
func TestPodSecurity(t *testing.T) {
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	refused := func(template core.PodTemplateSpec) string {
		result := podsecurity.AggregateCheckResults(evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec))
		return result.ForbiddenDetail()
	}
	eachSet(t, func(t *testing.T, r rendering) {
		template := one[*apps.StatefulSet](t, r).Spec.Template
		if why := refused(template); why != "" {
			t.Error(why)
		}
		for _, pod := range each[*core.Pod](r) {
			if why := refused(core.PodTemplateSpec{ObjectMeta: pod.ObjectMeta, Spec: pod.Spec}); why != "" {
				t.Errorf("the pod %s: %s", pod.Name, why)
			}
		}
		spec := template.Spec
		if security := spec.Containers[0].SecurityContext; !*security.ReadOnlyRootFilesystem || *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks {
			t.Errorf("the pod can write to its root (%v), has a token (%v) or variables of services (%v)",
				*security.ReadOnlyRootFilesystem, *spec.AutomountServiceAccountToken, *spec.EnableServiceLinks)
		}
		spec.Containers[0].SecurityContext.Capabilities = nil
		if refused(template) == "" {
			t.Error("the evaluation accepts a container with capabilities: it is wrong")
		}
	})
}

// TestVolumes: every mount has a volume, and every volume is used.
func TestVolumes(t *testing.T) {
	eachSet(t, func(t *testing.T, r rendering) {
		s := one[*apps.StatefulSet](t, r)
		want := map[string]bool{}
		for _, v := range s.Spec.Template.Spec.Volumes {
			want[v.Name] = true
			if v.ConfigMap != nil && v.ConfigMap.Name != one[*core.ConfigMap](t, r).Name {
				t.Errorf("the volume %s has the ConfigMap %s", v.Name, v.ConfigMap.Name)
			}
			if v.Secret != nil && (v.Secret.SecretName == "" || *v.Secret.DefaultMode != 0o440) {
				t.Errorf("the volume %s has the secret %q with the mode %o", v.Name, v.Secret.SecretName, *v.Secret.DefaultMode)
			}
		}
		for _, c := range s.Spec.VolumeClaimTemplates {
			want[c.Name] = true
		}
		for _, m := range s.Spec.Template.Spec.Containers[0].VolumeMounts {
			if !want[m.Name] {
				t.Errorf("the mount %s has no volume", m.Name)
			}
			delete(want, m.Name)
		}
		if len(want) > 0 {
			t.Errorf("nobody mounts the volumes %v", want)
		}
	})
}

// TestDoctor: `helm test` runs `boreas doctor` in a pod that the NetworkPolicy lets reach both ports.
func TestDoctor(t *testing.T) {
	for set, want := range map[string]string{
		"defaults": "doctor --api=http://live-boreas-api:8001 --ws=ws://live-boreas:8002",
		"nats":     "doctor --api=http://live-boreas-api:8001 --ws=ws://live-boreas:8002",
		"memory":   "doctor --api=http://live-boreas-api:8001 --ws=ws://live-boreas:8002",
	} {
		r := rendered(t, set)
		pod := one[*core.Pod](t, r)
		if got := strings.Join(pod.Spec.Containers[0].Args, " "); got != want {
			t.Errorf("%s: got %s\nwant %s", set, got, want)
		}
		for _, p := range each[*networking.NetworkPolicy](r) {
			for _, rule := range p.Spec.Ingress {
				if rule.Ports[0].Port.StrVal != "api" {
					continue
				}
				found := false
				for _, from := range rule.From {
					s, err := v1.LabelSelectorAsSelector(from.PodSelector)
					if err != nil {
						t.Fatal(err)
					}
					found = found || from.NamespaceSelector == nil && s.Matches(labels.Set(pod.Labels))
				}
				if !found {
					t.Errorf("%s: the NetworkPolicy does not let the pod reach the API", set)
				}
			}
		}
	}
	// Certificates may be those of an authority that the pod does not know.
	if pods := each[*core.Pod](rendered(t, "tls")); len(pods) > 0 {
		t.Errorf("with TLS there are the pods %v", pods)
	}
}
