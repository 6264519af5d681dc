package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/examples/stage"
)

const maxText = 200 // characters

// topics are the channels. The server has no list of channels, so the backend tells its readers
// which ones exist.
var topics = []string{"trains", "weather", "football"}

//go:embed page
var files embed.FS

// A feed is the backend. It publishes each item on its topic's channel. It stores no items, because
// the Boreas server does.
type feed struct {
	client   *client.Client
	visitors *stage.Visitors
	stage    *stage.Stage
}

// An item is a piece of news.
type item struct {
	Topic string `json:"topic"`
	Text  string `json:"text"`
	Time  string `json:"time"`
}

func newFeed(c *client.Client, s *stage.Stage) *feed {
	return &feed{client: c, visitors: &stage.Visitors{Client: c}, stage: s}
}

func (f *feed) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // cannot happen: the folder is embedded
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /session", f.session)
	mux.HandleFunc("POST /items", f.post)
	return f.stage.Page(page, mux)
}

// session lets a reader in.
func (f *feed) session(w http.ResponseWriter, r *http.Request) {
	token, err := f.visitors.Token(r.Context(), "reader")
	switch {
	case errors.Is(err, stage.ErrFull):
		stage.Refuse(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		stage.Refuse(w, http.StatusBadGateway, "the feed cannot reach its Boreas: "+err.Error())
	default:
		stage.WriteJSON(w, map[string]any{"server": f.stage.WS, "token": token, "topics": topics})
	}
}

// post publishes an item from an editor.
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

// publish publishes an item to the readers of its topic. Because of the key it is published once,
// even if the request is repeated after a network failure.
func (f *feed) publish(ctx context.Context, topic, text string) error {
	i := item{Topic: topic, Text: text, Time: stage.Now()}
	_, err := f.client.Publish(ctx, topic, i, client.PublishOptions{Key: rand.Text()})
	return err
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
