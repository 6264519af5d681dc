package charttest

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// imageEnv are the variables of the image, which the chart replaces.
var imageEnv = []string{"BOREAS_API_HOST=0.0.0.0", "BOREAS_WS_HOST=0.0.0.0", "BOREAS_DATA_DIR=/var/lib/boreas"}

// podEnv returns the environment of the container in a pod.
func podEnv(s *apps.StatefulSet, number int) []string {
	env := map[string]string{}
	for _, e := range imageEnv {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	for _, e := range s.Spec.Template.Spec.Containers[0].Env {
		env[e.Name] = e.Value
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.name" {
			env[e.Name] = fmt.Sprintf("%s-%d", s.Name, number)
		}
	}
	var all []string
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

// written writes the configuration of a rendering to a file.
func written(t *testing.T, r rendering) (file string) {
	t.Helper()
	text, ok := one[*core.ConfigMap](t, r).Data["boreas.toml"]
	if !ok {
		t.Fatal("the ConfigMap has no boreas.toml")
	}
	file = filepath.Join(t.TempDir(), "boreas.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// parsed returns the configuration of a pod, as the program reads it.
func parsed(t *testing.T, r rendering, number int) config.Config {
	t.Helper()
	cfg, err := config.Load(config.Input{Env: podEnv(one[*apps.StatefulSet](t, r), number), Flags: map[string]string{"config": written(t, r)}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestProgramAcceptsTheConfiguration runs `boreas config` with the configuration and the variables of a
// pod.
func TestProgramAcceptsTheConfiguration(t *testing.T) {
	program := os.Getenv("TEST_BOREAS")
	if program == "" {
		t.Skip("TEST_BOREAS does not name the program: run `make chart-check`")
	}
	eachSet(t, func(t *testing.T, r rendering) {
		cmd := exec.Command(program, "config", "--config", written(t, r))
		cmd.Env = podEnv(one[*apps.StatefulSet](t, r), 0)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// TestConfiguration compares what the program reads with the values.
func TestConfiguration(t *testing.T) {
	type result struct{ APIHost, WSHost, Engine, DataDir, AdminKey, Node string }
	got := map[string]result{}
	for _, set := range sets(t) {
		c := parsed(t, rendered(t, set), 1)
		got[set] = result{c.APIHost, c.WSHost, c.Engine, c.DataDir, c.AdminKey, c.Node}
	}
	const all, data, key = "0.0.0.0", "/var/lib/boreas/data", "file:/etc/boreas/secrets/admin/admin.key"
	want := map[string]result{
		"defaults":   {all, all, "disk", data, key, ""},
		"memory":     {all, all, "memory", "", "", ""},
		"cluster":    {all, all, "cluster", data, key, "live-boreas-1"},
		"five":       {all, all, "cluster", data, key, "a-name-that-is-much-too-long-1"},
		"nats":       {all, all, "nats://nats-0.nats:4222,nats://nats-1.nats:4222,nats://nats-2.nats:4222", "", key, "live-boreas-1"},
		"proxy":      {all, all, "disk", data, key, ""},
		"tls":        {all, all, "disk", data, key, ""},
		"everything": {all, all, "cluster", data, key, "live-push-1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configurations (-want +got):\n%s", diff)
	}
	c := parsed(t, rendered(t, "everything"), 0)
	if c.HistoryMessages != 100_000_000 || c.PresenceLinger != 10*time.Second || !c.RequireAuth || c.LogFormat != "json" {
		t.Errorf("numbers, durations, booleans or texts are wrong: %d %v %v %s", c.HistoryMessages, c.PresenceLinger, c.RequireAuth, c.LogFormat)
	}
	if c := parsed(t, rendered(t, "cluster"), 0); len(c.Rules) != 2 || c.HistoryAge != 2*time.Hour {
		t.Errorf("rules %v, age %v", c.Rules, c.HistoryAge)
	}
}

// TestFilesAreMounted: every file that the configuration names is in a volume.
func TestFilesAreMounted(t *testing.T) {
	eachSet(t, func(t *testing.T, r rendering) {
		var mounts []string
		for _, m := range one[*apps.StatefulSet](t, r).Spec.Template.Spec.Containers[0].VolumeMounts {
			mounts = append(mounts, m.MountPath)
		}
		text := one[*core.ConfigMap](t, r).Data["boreas.toml"]
		for _, file := range regexp.MustCompile(`/(etc|var)/[^" ]+`).FindAllString(text, -1) {
			found := false
			for dir := file; dir != "/"; dir = path.Dir(dir) {
				for _, m := range mounts {
					found = found || m == dir
				}
			}
			if !found {
				t.Errorf("%s is in no volume: the pod mounts %v", file, mounts)
			}
		}
	})
}

// TestTermination: Kubernetes gives the pod more time than the shutdown takes.
func TestTermination(t *testing.T) {
	eachSet(t, func(t *testing.T, r rendering) {
		c := parsed(t, r, 0)
		given := time.Duration(*one[*apps.StatefulSet](t, r).Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		if needed := c.ShutdownDelay + c.DrainTime + 15*time.Second; given < needed+5*time.Second {
			t.Errorf("the pod has %v, and a shutdown takes up to %v", given, needed)
		}
	})
}

// TestPeers: the nodes of a cluster have the names that the headless service gives their pods, also
// before they are ready.
func TestPeers(t *testing.T) {
	for set, domain := range map[string]string{"cluster": "cluster.local", "five": "example.internal", "everything": "cluster.local"} {
		t.Run(set, func(t *testing.T) {
			r := rendered(t, set)
			s := one[*apps.StatefulSet](t, r)
			var headless *core.Service
			for _, service := range each[*core.Service](r) {
				if service.Name == s.Spec.ServiceName {
					headless = service
				}
			}
			if headless == nil || headless.Spec.ClusterIP != "None" || !headless.Spec.PublishNotReadyAddresses {
				t.Fatalf("the StatefulSet has the service %s, which is %+v", s.Spec.ServiceName, headless)
			}
			if s.Spec.PodManagementPolicy != apps.ParallelPodManagement {
				t.Errorf("the pods start by %s: the first start needs all of them", s.Spec.PodManagementPolicy)
			}
			var want []config.Peer
			for i := range int(*s.Spec.Replicas) {
				pod := s.Name + "-" + strconv.Itoa(i)
				want = append(want, config.Peer{Name: pod, Host: strings.Join([]string{pod, headless.Name, headless.Namespace, "svc", domain}, "."), Port: 6222})
			}
			for i := range want {
				c := parsed(t, r, i)
				if diff := cmp.Diff(want, c.Peers()); diff != "" {
					t.Errorf("peers (-want +got):\n%s", diff)
				}
				if c.Node != want[i].Name {
					t.Errorf("pod %d is the node %s, want %s", i, c.Node, want[i].Name)
				}
			}
		})
	}
}

// TestCopyOfTheImage: the variables of the image above are those of the image.
func TestCopyOfTheImage(t *testing.T) {
	text, err := os.ReadFile("../../image/image.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range imageEnv {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.Contains(string(text), `"`+name+"=") {
			t.Errorf("the image does not have %s", name)
		}
	}
	if got, want := strings.Count(string(text), `"BOREAS_`), len(imageEnv); got != want {
		t.Errorf("the image has %d variables, want %d", got, want)
	}
}
