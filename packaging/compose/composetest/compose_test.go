package composetest

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// imageEnv are the variables of the image, which a test of the chart compares with the image.
var imageEnv = map[string]string{"BOREAS_API_HOST": "0.0.0.0", "BOREAS_WS_HOST": "0.0.0.0", "BOREAS_DATA_DIR": "/var/lib/boreas"}

// project reads a file as Compose does: with its schema, and all that it merges and fills in.
func project(t *testing.T, file string) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join("..", file)}, cli.WithEnv([]string{}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// environment returns the variables of a container: those of the image, and those of the service.
func environment(s types.ServiceConfig) map[string]string {
	env := map[string]string{}
	for name, value := range imageEnv {
		env[name] = value
	}
	for name, value := range s.Environment {
		if value != nil {
			env[name] = *value
		}
	}
	return env
}

func list(env map[string]string) (all []string) {
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return all
}

// load returns the configuration of a container, as the program reads it.
func load(t *testing.T, s types.ServiceConfig) config.Config {
	t.Helper()
	cfg, err := config.Load(config.Input{Env: list(environment(s)), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestServices compares what the containers read with what the files should say.
func TestServices(t *testing.T) {
	type service struct {
		Engine, Node, Peers, AdminKey, ClusterSecret, DataDir string
		API, WS                                               string
	}
	const key, secret, dir = "file:/run/secrets/admin.key", "file:/run/secrets/cluster.secret", "/var/lib/boreas"
	node := func(name, api, ws string) service {
		return service{"cluster", name, "n1,n2,n3", key, secret, dir, "127.0.0.1:" + api, ":" + ws}
	}
	want := map[string]service{
		"compose.yaml boreas":     {"disk", "", "", key, "", dir, "127.0.0.1:8001", ":8002"},
		"compose-cluster.yaml n1": node("n1", "8001", "8002"),
		"compose-cluster.yaml n2": node("n2", "8011", "8012"),
		"compose-cluster.yaml n3": node("n3", "8021", "8022"),
	}
	got := map[string]service{}
	for _, file := range []string{"compose.yaml", "compose-cluster.yaml"} {
		for name, s := range project(t, file).Services {
			c := load(t, s)
			one := service{c.Engine, c.Node, c.ClusterPeers, c.AdminKey, c.ClusterSecret, c.DataDir, "", ""}
			for _, p := range s.Ports {
				switch address := p.HostIP + ":" + p.Published; int(p.Target) {
				case c.APIPort:
					one.API += address
				case c.WSPort:
					one.WS += address
				default:
					t.Errorf("%s: nothing listens on the port %d", name, p.Target)
				}
			}
			got[file+" "+name] = one
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

// TestContainers checks what every container needs: files for its secrets, a volume, a check, and time
// to stop.
func TestContainers(t *testing.T) {
	for _, file := range []string{"compose.yaml", "compose-cluster.yaml"} {
		p := project(t, file)
		volumes := map[string]bool{}
		for name, s := range p.Services {
			c := load(t, s)
			if !strings.HasPrefix(s.Image, "ghcr.io/boreas-pubsub/boreas:") {
				t.Errorf("%s: the image is %s", name, s.Image)
			}
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
				t.Errorf("%s: read-only %v, drops %v, options %v", name, s.ReadOnly, s.CapDrop, s.SecurityOpt)
			}
			var files []string
			for _, secret := range s.Secrets {
				if p.Secrets[secret.Source].File == "" {
					t.Errorf("%s: the secret %s has no file", name, secret.Source)
				}
				files = append(files, "file:/run/secrets/"+secret.Source)
			}
			want := []string{c.AdminKey}
			if c.ClusterSecret != "" {
				want = append(want, c.ClusterSecret)
			}
			if !slices.Equal(files, want) {
				t.Errorf("%s: the secrets are in %v, and the options name %v", name, files, want)
			}
			if len(s.Volumes) != 1 || s.Volumes[0].Target != c.DataDir || s.Volumes[0].Type != "volume" || volumes[s.Volumes[0].Source] {
				t.Errorf("%s: the volumes are %v, and data_dir is %s", name, s.Volumes, c.DataDir)
			} else {
				volumes[s.Volumes[0].Source] = true
			}
			if h := s.HealthCheck; h == nil || !slices.Equal(h.Test, []string{"CMD", "/boreas", "doctor", "--quick"}) {
				t.Errorf("%s: the health check is %+v", name, s.HealthCheck)
			}
			if given, needed := time.Duration(*s.StopGracePeriod), c.ShutdownDelay+c.DrainTime+15*time.Second; given < needed+5*time.Second {
				t.Errorf("%s: the container has %v to stop, and a shutdown takes up to %v", name, given, needed)
			}
		}
	}
}

// TestComments: the comments name the files of the secrets.
func TestComments(t *testing.T) {
	for _, file := range []string{"compose.yaml", "compose-cluster.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(text), "\nname:")
		for name, secret := range project(t, file).Secrets {
			if !strings.Contains(head, "> "+path.Base(secret.File)) {
				t.Errorf("%s does not say how to make the secret %s", file, name)
			}
		}
	}
}
