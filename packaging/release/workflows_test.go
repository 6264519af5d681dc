package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// A workflow is the part of a workflow of GitHub Actions that this test checks.
type workflow struct {
	Name        string            `yaml:"name"`
	On          map[string]any    `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Needs       string            `yaml:"needs"`
		RunsOn      string            `yaml:"runs-on"`
		Container   string            `yaml:"container"`
		Environment string            `yaml:"environment"`
		Timeout     int               `yaml:"timeout-minutes"`
		Permissions map[string]string `yaml:"permissions"`
		Env         map[string]string `yaml:"env"`
		Steps       []struct {
			Uses string            `yaml:"uses"`
			Run  string            `yaml:"run"`
			With map[string]string `yaml:"with"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

const root = "../.."

// TestWorkflows checks that the workflows have only known keys and few rights, and call programs that
// exist.
func TestWorkflows(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	if err != nil || len(paths) != 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	pinned := regexp.MustCompile(`^[a-z-]+/[a-z-]+@(v\d+|release/v\d+)$`)
	called := regexp.MustCompile(`(?m)^make ([a-z-]+)`)
	var targets []string
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		decoder := yaml.NewDecoder(f)
		decoder.KnownFields(true)
		err = decoder.Decode(&w)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s has the permissions %v: give them to the job that needs them", path, w.Permissions)
		}
		for name, job := range w.Jobs {
			if _, ok := w.Jobs[job.Needs]; job.Needs != "" && !ok {
				t.Errorf("%s: %s needs %s, which does not exist", path, name, job.Needs)
			}
			if job.RunsOn == "" || len(job.Steps) == 0 || job.Timeout == 0 {
				t.Errorf("%s: %s has no machine, no steps or no timeout", path, name)
			}
			for _, s := range job.Steps {
				if s.Uses != "" && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: %s uses %s, which is not pinned by its major version", path, name, s.Uses)
				}
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: %s pastes an expression into a script: %s", path, name, s.Run)
				}
				for _, call := range called.FindAllStringSubmatch(s.Run, -1) {
					targets = append(targets, call[1])
				}
				if file, ok := strings.CutPrefix(s.Run, ".ci/"); ok {
					if _, err := os.Stat(filepath.Join(root, ".ci", file)); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
	slices.Sort(targets)
	if want := []string{"release", "release-check"}; !slices.Equal(targets, want) {
		t.Errorf("the workflows call %v, want %v", targets, want)
	}
	for _, target := range targets {
		if !regexp.MustCompile(`(?m)^` + target + `:`).Match(makefile) {
			t.Errorf("the Makefile has no target %s", target)
		}
	}
}

// TestWorkflowsUseTheVersionOfGo compares the container of the workflows with go.mod.
func TestWorkflowsUseTheVersionOfGo(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	if version == nil {
		t.Fatal("go.mod has no version of Go")
	}
	for _, name := range []string{"ci.yml", "release.yml"} {
		text, err := os.ReadFile(filepath.Join(root, ".github", "workflows", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "container: golang:"+string(version[1])+"-bookworm\n") {
			t.Errorf("%s does not use Go %s", name, version[1])
		}
	}
}
