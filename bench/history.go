package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	batchSize    = 500 // messages per request
	batchers     = 4   // concurrent requests
	keptPayload  = 100 // bytes of a message's JSON
	settlePeriod = 500 * time.Millisecond
	settleQuiet  = 5 * time.Second  // the server's memory is settled if it has not fallen for this long
	settleLimit  = 60 * time.Second // the maximum wait for that
	settleFall   = 0.01             // a smaller fall does not count
)

// fillHistory publishes the plan's messages to a new server. It measures the memory that the server
// uses for them, after the server has released temporary memory.
func (w *workshop) fillHistory(ctx context.Context, p plan, e entrant, into *result) error {
	server, err := w.start(ctx, e, p)
	if err != nil {
		return err
	}
	defer server.stop()
	before, err := settledMemory(ctx, server.pid())
	if err != nil {
		return err
	}
	began := time.Now()
	if err := publishHistory(ctx, p, server.ports.api); err != nil {
		return fmt.Errorf("%w; the server said: %s", err, server.lastWords())
	}
	seconds := time.Since(began).Seconds()
	after, err := settledMemory(ctx, server.pid())
	if err != nil {
		return err
	}
	kept, err := metricOf(ctx, server.ports.api, "boreas_history_publications")
	if err != nil {
		return err
	}
	messages := float64(p.channels * p.kept)
	if kept != messages {
		into.faults["messages not kept"] += messages - kept
	}
	into.add(map[string]float64{
		"bytes_each":      (after - before) / messages,
		"publishes_per_s": messages / seconds,
		"rss_before_kib":  before / 1024,
		"rss_after_kib":   after / 1024,
	}, "", p)
	return nil
}

// publishHistory publishes one message to each channel, then the second message to each, and so on.
// Busy channels fill in this order, not one after the other.
func publishHistory(ctx context.Context, p plan, port int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan []byte)
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: batchers}}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	for range batchers {
		group.Go(func() {
			for body := range batches {
				if err := publishBatch(ctx, &client, port, body); err != nil {
					cancel(err)
				}
			}
		})
	}
	payload := `{"text":"` + strings.Repeat("x", keptPayload-len(`{"text":""}`)) + `"}`
	for n, total := 0, p.channels*p.kept; n < total && ctx.Err() == nil; n += batchSize {
		var body bytes.Buffer
		body.WriteString(`{"messages":[`)
		for i := n; i < min(n+batchSize, total); i++ {
			if i > n {
				body.WriteByte(',')
			}
			fmt.Fprintf(&body, `{"channel":"room-%d","message":%s}`, i%p.channels, payload)
		}
		body.WriteString(`]}`)
		batches <- body.Bytes()
	}
	close(batches)
	group.Wait()
	return context.Cause(ctx)
}

func publishBatch(ctx context.Context, client *http.Client, port int, body []byte) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/v2/messages", port)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if at := bytes.Index(said, []byte(`"error"`)); answer.StatusCode != http.StatusOK || at >= 0 {
		return fmt.Errorf("POST %s answered %s: %.300s", url, answer.Status, said[max(at, 0):])
	}
	return nil
}

// settledMemory waits until the memory of a process stops falling, and returns it in bytes.
func settledMemory(ctx context.Context, pid int) (float64, error) {
	lowest, since := 0.0, time.Now()
	for end := time.Now().Add(settleLimit); ; {
		now, err := residentMemory(pid)
		if err != nil {
			return 0, err
		}
		if lowest == 0 || now < lowest*(1-settleFall) {
			lowest, since = now, time.Now()
		}
		if time.Since(since) > settleQuiet || time.Now().After(end) {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(settlePeriod):
		}
	}
}

func residentMemory(pid int) (float64, error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("%s has no VmRSS", name)
}

// metricOf reads one of the server's metrics, by its whole name.
func metricOf(ctx context.Context, port int, name string) (float64, error) {
	url := fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", url, name)
}
