package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tlsShapes returns the shapes of TLS. They compare the server with itself. Their load generator is
// `boreas bench`, because the one in C does not support TLS.
func tlsShapes() []shape {
	return []shape{
		{
			name:       "tls",
			title:      "1,000 subscribers on one channel, TLS",
			contenders: []string{"boreas", "boreas-tls"},
			subject:    "boreas-tls",
			plan:       plan{subscribers: 1000, channels: 1, publishers: publishers, own: true},
			rows: []row{
				{label: "deliveries", metric: "deliveries_per_s", unit: "/s", reference: "boreas", bar: bar{0.7, true, true}},
				{label: "p99 latency", metric: "p99_ms", unit: "ms", reference: "boreas"},
				{label: "server CPU per delivery", metric: "server_us_per_delivery", unit: "us", reference: "boreas"},
			},
		},
		{
			name:       "idletls",
			title:      "5,000 idle subscribers, TLS",
			contenders: []string{"boreas", "boreas-tls"},
			subject:    "boreas-tls",
			plan:       plan{subscribers: 5000, channels: 1000, publishers: 1, own: true, idle: true},
			rows: []row{
				{label: "memory per subscriber", metric: "rss_each_kib", unit: "KiB", reference: "boreas", bar: bar{limit: 12}},
				{label: "CPU per connection", metric: "connect_cpu_us", unit: "us", reference: "boreas"},
			},
		},
	}
}

func tlsCommand(program, dir string, p ports) ([]string, error) {
	cert, key, err := selfSigned(dir)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	command, err := boreasCommand(program, dir, p)
	return append(command, "--ws_tls_cert="+cert, "--ws_tls_key="+key), err
}

// selfSigned creates a certificate with an ECDSA key, like those of today's authorities.
func selfSigned(dir string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(name, kind string, der []byte) error {
		return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	}
	return certFile, keyFile, errors.Join(write(certFile, "CERTIFICATE", cert), write(keyFile, "PRIVATE KEY", private))
}

// idleSeconds is how long idle subscribers stay connected; they are stopped earlier.
const idleSeconds = 600

// ownLoad runs a plan with `boreas bench`.
func (w *workshop) ownLoad(ctx context.Context, p plan, e entrant, into *result) error {
	server, err := w.start(ctx, e, p)
	if err != nil {
		return err
	}
	defer server.stop()
	before, err := residentMemory(server.pid())
	if err != nil {
		return err
	}
	cpuBefore, err := cpuSeconds(server.pid())
	if err != nil {
		return err
	}
	var output strings.Builder
	load, err := startProcess(ctx, w.options.loadCPU, w.dir, w.ownArgs(p, e, server), nil, &output)
	if err != nil {
		return err
	}
	defer load.stop()
	if err := awaitSessions(ctx, server, load, p.subscribers); err != nil {
		return err
	}
	cpuConnected, err := cpuSeconds(server.pid())
	if err != nil {
		return err
	}
	if p.idle {
		after, err := settledMemory(ctx, server.pid())
		if err != nil {
			return err
		}
		into.add(map[string]float64{
			"rss_each_kib":   (after - before) / 1024 / float64(p.subscribers),
			"connect_cpu_us": (cpuConnected - cpuBefore) * 1e6 / float64(p.subscribers),
		}, "", p)
		return nil
	}
	<-load.ended
	cpuAfter, err := cpuSeconds(server.pid())
	if err != nil {
		return err
	}
	return addOwn(into, p, output.String(), load.lastWords(), cpuAfter-cpuConnected)
}

func (w *workshop) ownArgs(p plan, e entrant, s *server) []string {
	scheme, seconds, rate := "ws", w.options.seconds, "0"
	if e.name == "boreas-tls" {
		scheme = "wss"
	}
	if p.idle {
		seconds, rate = idleSeconds, "0.01"
	}
	return []string{
		e.program, "bench", "--json", "--quiet",
		"--api=http://127.0.0.1:" + strconv.Itoa(s.ports.api), "--ws=" + scheme + "://127.0.0.1:" + strconv.Itoa(s.ports.ws),
		"--subscribers=" + strconv.Itoa(p.subscribers), "--channels=" + strconv.Itoa(p.channels), "--publishers=" + strconv.Itoa(p.publishers),
		"--rate=" + rate, fmt.Sprintf("--duration=%gs", seconds),
	}
}

// awaitSessions waits until all subscribers are connected.
func awaitSessions(ctx context.Context, s *server, load *process, n int) error {
	for {
		there, err := metricOf(ctx, s.ports.api, `boreas_sessions{state="authenticated"}`)
		if err != nil || there >= float64(n) {
			return err
		}
		select {
		case <-load.ended:
			return fmt.Errorf("the load ended early: %s", load.lastWords())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

// addOwn adds the figures from the output of `boreas bench`.
func addOwn(into *result, p plan, output, complaints string, serverCPU float64) error {
	var r struct {
		Seconds      float64 `json:"seconds"`
		Deliveries   float64 `json:"deliveries"`
		DeliveryRate float64 `json:"deliveries_per_second"`
		Latency      struct {
			P99 float64 `json:"p99"`
		} `json:"latency_ms"`
		Lost         float64 `json:"lost"`
		Repeated     float64 `json:"repeated"`
		OutOfOrder   float64 `json:"out_of_order"`
		Disconnected float64 `json:"disconnected"`
		Cores        float64 `json:"cores_used"`
	}
	if err := json.Unmarshal([]byte(output), &r); err != nil {
		return fmt.Errorf("%w: %s", err, complaints)
	}
	if r.Deliveries == 0 {
		return errors.New("nothing was delivered")
	}
	for name, n := range map[string]float64{"deliveries lost": r.Lost, "repeated": r.Repeated, "out of order": r.OutOfOrder, "disconnected": r.Disconnected} {
		if n > 0 {
			into.faults[name] += n
		}
	}
	into.add(map[string]float64{
		"deliveries_per_s":       r.DeliveryRate,
		"p99_ms":                 r.Latency.P99,
		"server_us_per_delivery": serverCPU * 1e6 / r.Deliveries,
		"server_cpu_share":       serverCPU / r.Seconds,
		"load_cpu_share":         r.Cores,
	}, "", p)
	return nil
}

// ticksPerSecond is the unit of times in /proc (proc_pid_stat(5)).
const ticksPerSecond = 100

// cpuSeconds returns the processor time that a process has used.
func cpuSeconds(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name, which may contain spaces. The third follows its parenthesis.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksPerSecond, err
}
