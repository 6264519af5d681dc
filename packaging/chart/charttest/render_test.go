package charttest

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../boreas"
	release   = "live"
	namespace = "push"
)

// sets returns the names of the sets of values in testdata.
func sets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("found the sets of values %v, %v, and at least 6 must be there", files, err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".yaml")
	}
	return files
}

// values reads a set of values.
func values(t *testing.T, set string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", set+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	v := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// rendering is a rendered chart.
type rendering struct {
	notes   string
	objects []runtime.Object
}

// render renders the chart, with the checks of its schema, as `helm install` does.
func render(v map[string]any) (map[string]string, error) {
	c, err := loader.LoadDir(chartDir)
	if err != nil {
		return nil, err
	}
	o := chartutil.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, v, o, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(c, all)
}

// rendered renders a set of values and decodes all objects. A field that Kubernetes does not know, or
// that is there twice, fails the test.
func rendered(t *testing.T, set string) rendering {
	t.Helper()
	files, err := render(values(t, set))
	if err != nil {
		t.Fatal(err)
	}
	var r rendering
	for name, text := range files {
		switch {
		case strings.HasSuffix(name, "/NOTES.txt"):
			r.notes = text
			continue
		case strings.HasSuffix(name, ".tpl"):
			continue
		}
		for documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text))); ; {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			o, err := decode(document)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			if o != nil {
				r.objects = append(r.objects, o)
			}
		}
	}
	return r
}

// decode decodes one object. It returns nil for a document without one.
func decode(document []byte) (o runtime.Object, err error) {
	var kind struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return nil, err
	}
	switch {
	case kind.Kind == "":
		for line := range strings.Lines(string(document)) {
			if line = strings.TrimSpace(line); line != "" && line != "---" && !strings.HasPrefix(line, "#") {
				return nil, errors.New("the document has no kind")
			}
		}
		return nil, nil
	case kind.APIVersion == "monitoring.coreos.com/v1" && kind.Kind == "ServiceMonitor":
		o = &monitoring.ServiceMonitor{}
		return o, yaml.UnmarshalStrict(document, o)
	case kind.APIVersion == "monitoring.coreos.com/v1" && kind.Kind == "PrometheusRule":
		o = &monitoring.PrometheusRule{}
		return o, yaml.UnmarshalStrict(document, o)
	}
	o, _, err = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer().Decode(document, nil, nil)
	return o, err
}

// one returns the only object of a type.
func one[T runtime.Object](t *testing.T, r rendering) T {
	t.Helper()
	all := each[T](r)
	if len(all) != 1 {
		t.Fatalf("there are %d objects %T, want 1", len(all), *new(T))
	}
	return all[0]
}

// each returns all objects of a type.
func each[T runtime.Object](r rendering) (all []T) {
	for _, o := range r.objects {
		if o, ok := o.(T); ok {
			all = append(all, o)
		}
	}
	return all
}

// kinds returns the kinds of all objects, in order.
func kinds(r rendering) []string {
	var all []string
	for _, o := range r.objects {
		all = append(all, o.GetObjectKind().GroupVersionKind().Kind)
	}
	slices.Sort(all)
	return all
}
