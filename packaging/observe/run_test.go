//go:build release

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long the test waits for an event. Only a test that fails waits so long.
const patience = 2 * time.Minute

// TestPrometheusEvaluatesEverything runs a server and a Prometheus that collects its metrics every second. Each rule and each
// expression of the dashboard must be evaluated without an error, and no alert may fire, because the server is well. The tests of
// the rules cannot see an expression that fails only with all series of a server.
func TestPrometheusEvaluatesEverything(t *testing.T) {
	api := start(t, os.Getenv("TEST_SERVER"), `^API endpoint configured to listen on (\S+)`,
		"--data-dir="+t.TempDir(), "--api-port=0", "--ws-port=0", "--drain-time=0")
	answer, err := http.Post("http://"+api+"/v2/channels/news/messages", "application/json", strings.NewReader("1"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()

	dir := t.TempDir()
	var ruleFiles []string
	for _, file := range []string{alertsFile, recordingFile} {
		copied := filepath.Join(dir, file)
		ruleFiles = append(ruleFiles, copied)
		text := strings.ReplaceAll(read(t, file), "interval: 5m", "interval: 1s") // so that the test need not wait for five minutes
		write(t, copied, text)
	}
	config := filepath.Join(dir, "prometheus.yml")
	write(t, config, fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["%s"]
scrape_configs:
  - job_name: boreas
    static_configs: [{targets: ["%s"]}]
`, strings.Join(ruleFiles, `", "`), api))
	prometheus := start(t, os.Getenv("TEST_PROMETHEUS"), `msg="Listening on" address=(\S+)`,
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")

	evaluated := func() (all bool) {
		var rules struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError, State string }
				}
			}
		}
		ask(t, prometheus, "rules", &rules)
		all = len(rules.Data.Groups) > 0
		for _, g := range rules.Data.Groups {
			for _, r := range g.Rules {
				if r.Health == "err" {
					t.Fatalf("%s: %s", r.Name, r.LastError)
				}
				if r.State == "firing" {
					t.Fatalf("%s fires, although the server is well", r.Name)
				}
				all = all && r.Health == "ok"
			}
		}
		return all
	}
	collected := func() bool { // twice, so that rates have values
		var r result
		ask(t, prometheus, "query?query="+url.QueryEscape(`count_over_time(boreas_channels[1h]) > 2`), &r)
		return len(r.Data.Result) > 0
	}
	ready := func() bool { // until then, the answers are not JSON
		answer, err := http.Get("http://" + prometheus + "/-/ready")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}
	deadline := time.Now().Add(patience)
	for !ready() || !collected() || !evaluated() {
		if time.Now().After(deadline) {
			t.Fatal("Prometheus has not evaluated all rules")
		}
		time.Sleep(100 * time.Millisecond)
	}

	shown, all := 0, stored(t).expressions()
	for where, e := range all {
		var r result
		ask(t, prometheus, "query?query="+url.QueryEscape(strings.ReplaceAll(e, `=~"a"`, `=~".*"`)), &r)
		if r.Status != "success" {
			t.Errorf("%s: %s: %s", where, r.Error, e)
		}
		if len(r.Data.Result) > 0 {
			shown++
		}
	}
	t.Logf("%d of %d expressions have a value on a quiet server without a cluster and TLS", shown, len(all))
	if shown < len(all)/2 {
		t.Errorf("only %d of %d expressions have a value", shown, len(all))
	}
}

// A result is Prometheus's answer to a query.
type result struct {
	Status, Error string
	Data          struct{ Result []any }
}

// ask decodes an answer of the API of Prometheus.
func ask(t *testing.T, address, path string, into any) {
	t.Helper()
	answer, err := http.Get("http://" + address + "/api/v1/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// start runs a program until the test ends, and returns its address, which is the first match of the expression in a line of its output.
func start(t *testing.T, program, address string, args ...string) string {
	t.Helper()
	if program == "" {
		t.Fatal("TEST_SERVER and TEST_PROMETHEUS must name the programs: use `make observe-check`")
	}
	output, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = writer, writer, t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	found, ended := make(chan string, 1), make(chan []string, 1)
	go func() {
		var lines []string
		expression := regexp.MustCompile(address)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			if match := expression.FindStringSubmatch(scanner.Text()); match != nil && len(found) == 0 {
				found <- match[1]
			}
			if lines = append(lines, scanner.Text()); len(lines) > 100 {
				lines = lines[1:]
			}
		}
		io.Copy(io.Discard, output)
		ended <- lines
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		stuck := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer stuck.Stop()
		cmd.Wait()
		if lines := <-ended; t.Failed() {
			t.Logf("%s:\n%s", program, strings.Join(lines, "\n"))
		}
	})
	select {
	case address := <-found:
		return address
	case lines := <-ended:
		ended <- lines
		t.Fatalf("%s has ended before it listened", program)
	case <-time.After(patience):
		t.Fatalf("%s does not listen", program)
	}
	return ""
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
