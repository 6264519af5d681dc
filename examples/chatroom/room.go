package main

import (
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/boreas-pubsub/boreas/client"
	"github.com/boreas-pubsub/boreas/examples/stage"
)

const (
	channel  = "chatroom"
	kept     = 50 // messages for those who come later, or come back
	maxName  = 30 // characters
	maxWords = 500
)

//go:embed page
var files embed.FS

// A room is the backend: it takes what visitors write, keeps the last of it, and
// broadcasts it.
type room struct {
	client   *client.Client
	visitors *stage.Visitors
	ws       string

	mu     sync.Mutex // guards what follows, and keeps broadcasts in order
	recent []message  // oldest first
	last   int64      // the number of the last message; from the clock, so that none repeats after a restart
}

// A message is what somebody wrote. Its number lets a page leave out what it has.
type message struct {
	Number int64  `json:"number"`
	Name   string `json:"name"`
	Text   string `json:"text"`
	Time   string `json:"time"`
}

func newRoom(c *client.Client, ws string) *room {
	return &room{client: c, visitors: &stage.Visitors{Client: c}, ws: ws, recent: []message{}, last: time.Now().UnixMilli()}
}

func (r *room) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /session", r.session)
	mux.HandleFunc("GET /messages", r.list)
	mux.HandleFunc("POST /messages", r.post)
	return stage.Page(page, mux)
}

// session lets a visitor in.
func (r *room) session(w http.ResponseWriter, req *http.Request) {
	token, err := r.visitors.Token(req.Context())
	switch {
	case errors.Is(err, stage.ErrFull):
		stage.Refuse(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		stage.Refuse(w, http.StatusBadGateway, "the chat cannot reach its Boreas: "+err.Error())
	default:
		stage.WriteJSON(w, map[string]string{"ws": r.ws, "token": token, "channel": channel})
	}
}

func (r *room) list(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	recent := slices.Clone(r.recent)
	r.mu.Unlock()
	stage.WriteJSON(w, recent)
}

func (r *room) post(w http.ResponseWriter, req *http.Request) {
	var m message
	if !stage.ReadJSON(w, req, &m) {
		return
	}
	var badName, badText error
	m.Name, badName = stage.Text("name", m.Name, maxName)
	m.Text, badText = stage.Text("message", m.Text, maxWords)
	if err := errors.Join(badName, badText); err != nil {
		stage.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	m.Time = stage.Now()

	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	m.Number = r.last
	// Kept before it is sent: a page that fetches the list on coming back must
	// find in it what it did not get.
	r.recent = append(r.recent, m)
	r.recent = r.recent[max(0, len(r.recent)-kept):]
	if err := r.client.Broadcast(req.Context(), channel, m, client.BroadcastOptions{}); err != nil {
		r.recent = r.recent[:len(r.recent)-1]
		stage.Refuse(w, http.StatusBadGateway, "the chat cannot reach its Boreas: "+err.Error())
		return
	}
	w.WriteHeader(http.StatusCreated)
}
