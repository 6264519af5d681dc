package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/client"
	"github.com/boreas-pubsub/boreas/examples/stage"
)

const (
	kept    = 30 // items for those who come later, or come back
	maxText = 200
)

// topics are the channels. The server knows no list of channels: whoever
// publishes tells the readers which there are.
var topics = []string{"trains", "weather", "football"}

//go:embed page
var files embed.FS

// A feed is the backend: it publishes items and keeps the last of them.
type feed struct {
	client   *client.Client
	visitors *stage.Visitors
	ws       string

	mu     sync.Mutex // guards what follows, and keeps broadcasts in order
	recent []item     // oldest first
	last   int64      // the number of the last item; from the clock, so that none repeats after a restart
}

// An item is a piece of news. Its number lets a page leave out what it has.
type item struct {
	Number int64  `json:"number"`
	Topic  string `json:"topic"`
	Text   string `json:"text"`
	Time   string `json:"time"`
}

func newFeed(c *client.Client, ws string) *feed {
	return &feed{client: c, visitors: &stage.Visitors{Client: c}, ws: ws, recent: []item{}, last: time.Now().UnixMilli()}
}

func (f *feed) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /session", f.session)
	mux.HandleFunc("GET /topics", func(w http.ResponseWriter, _ *http.Request) { stage.WriteJSON(w, topics) })
	mux.HandleFunc("GET /items", f.list)
	mux.HandleFunc("POST /items", f.post)
	return stage.Page(page, mux)
}

// session lets a reader in.
func (f *feed) session(w http.ResponseWriter, r *http.Request) {
	token, err := f.visitors.Token(r.Context())
	switch {
	case errors.Is(err, stage.ErrFull):
		stage.Refuse(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		stage.Refuse(w, http.StatusBadGateway, "the feed cannot reach its Boreas: "+err.Error())
	default:
		stage.WriteJSON(w, map[string]string{"ws": f.ws, "token": token})
	}
}

func (f *feed) list(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	recent := slices.Clone(f.recent)
	f.mu.Unlock()
	stage.WriteJSON(w, recent)
}

// post takes an item that an editor wrote.
func (f *feed) post(w http.ResponseWriter, r *http.Request) {
	var i item
	if !stage.ReadJSON(w, r, &i) {
		return
	}
	if !slices.Contains(topics, i.Topic) {
		stage.Refuse(w, http.StatusBadRequest, "the topic must be one of "+strings.Join(topics, ", "))
		return
	}
	text, err := stage.Text("text", i.Text, maxText)
	if err != nil {
		stage.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if err := f.publish(r.Context(), i.Topic, text); err != nil {
		stage.Refuse(w, http.StatusBadGateway, "the feed cannot reach its Boreas: "+err.Error())
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// publish keeps an item and sends it to the readers of its topic.
func (f *feed) publish(ctx context.Context, topic, text string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	i := item{Number: f.last, Topic: topic, Text: text, Time: stage.Now()}
	// Kept before it is sent: a page that fetches the list on coming back must
	// find in it what it did not get.
	f.recent = append(f.recent, i)
	f.recent = f.recent[max(0, len(f.recent)-kept):]
	if err := f.client.Broadcast(ctx, topic, i, client.BroadcastOptions{}); err != nil {
		f.recent = f.recent[:len(f.recent)-1]
		return err
	}
	return nil
}

// invent publishes made-up items until the context ends.
func (f *feed) invent(ctx context.Context, every time.Duration, out io.Writer) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		topic, text := invented(n)
		if err := f.publish(ctx, topic, text); err != nil && ctx.Err() == nil {
			fmt.Fprintln(out, "livefeed:", err)
		}
	}
}

// invented returns the n-th made-up item.
func invented(n int) (topic, text string) {
	towns := []string{"Norden", "Westbrook", "Ostheim", "Southam"}
	town, other := towns[n%len(towns)], towns[(n+1+n/len(towns))%len(towns)]
	switch topic = topics[n%len(topics)]; topic {
	case "trains":
		return topic, fmt.Sprintf("The train from %s to %s runs %d minutes late.", town, other, 2+n%17)
	case "weather":
		return topic, fmt.Sprintf("%s: north wind, %d km/h, %d °C.", town, 10+n%50, n%12-4)
	default:
		return topic, fmt.Sprintf("%s scores against %s in the %dth minute.", town, other, 4+n%6+10*(n%9))
	}
}
