package main

import (
	"embed"
	"errors"
	"io/fs"
	"net/http"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/examples/stage"
)

const (
	channel  = "chatroom"
	maxName  = 30 // characters
	maxWords = 500
	maxKey   = 100
)

//go:embed page
var files embed.FS

// rules are the channel rules that the chat needs: presence on its channel. The server keeps the
// messages of all channels for some minutes anyway.
func rules() *boreas.Rules {
	pattern, err := access.ParsePattern(channel)
	if err != nil {
		panic(err) // cannot happen: the pattern is a constant
	}
	return new(boreas.Rules).Add(pattern, boreas.Rule{Presence: boreas.PresenceFull})
}

// A room is the backend. It lets visitors in and publishes their messages. It stores no messages,
// because the Boreas server does.
type room struct {
	client   *client.Client
	visitors *stage.Visitors
	stage    *stage.Stage
}

// A message is a message from a visitor.
type message struct {
	Name string `json:"name"`
	Text string `json:"text"`
	Time string `json:"time"`
}

func newRoom(c *client.Client, s *stage.Stage) *room {
	return &room{client: c, visitors: &stage.Visitors{Client: c}, stage: s}
}

func (r *room) handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // cannot happen: the folder is embedded
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /session", r.session)
	mux.HandleFunc("POST /messages", r.post)
	return r.stage.Page(page, mux)
}

// session lets a visitor in. In this example everybody may use any name. Your backend knows who is
// signed in.
func (r *room) session(w http.ResponseWriter, req *http.Request) {
	var visitor struct{ Name string }
	if !stage.ReadJSON(w, req, &visitor) {
		return
	}
	name, err := stage.Text("name", visitor.Name, maxName)
	if err != nil {
		stage.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	token, err := r.visitors.Token(req.Context(), name)
	switch {
	case errors.Is(err, stage.ErrFull):
		stage.Refuse(w, http.StatusServiceUnavailable, err.Error())
	case err != nil:
		unreachable(w, err)
	default:
		stage.WriteJSON(w, map[string]string{"server": r.stage.WS, "channel": channel, "token": token, "name": name})
	}
}

// post publishes a visitor's message. The token identifies the visitor; the request does not. The
// page chooses the key: if it does not know whether a request succeeded, it repeats the request
// with the same key, and the server publishes the message once.
func (r *room) post(w http.ResponseWriter, req *http.Request) {
	name, ok := r.visitors.Name(stage.Bearer(req))
	if !ok {
		stage.Refuse(w, http.StatusUnauthorized, "the chat does not know you (any more): enter again")
		return
	}
	var written struct{ Text, Key string }
	if !stage.ReadJSON(w, req, &written) {
		return
	}
	text, badText := stage.Text("message", written.Text, maxWords)
	key, badKey := stage.Text("key", written.Key, maxKey)
	if err := errors.Join(badText, badKey); err != nil {
		stage.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	m := message{Name: name, Text: text, Time: stage.Now()}
	_, err := r.client.Publish(req.Context(), channel, m, client.PublishOptions{Key: key})
	// A repeated request has another time, so the server sees another message with the same key.
	var refused *client.Error
	if err != nil && (!errors.As(err, &refused) || refused.Code != client.CodeKeyReused) {
		unreachable(w, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func unreachable(w http.ResponseWriter, err error) {
	stage.Refuse(w, http.StatusBadGateway, "the chat cannot reach its Boreas: "+err.Error())
}
