// Package stage is the common part of both examples: a Boreas server, tokens for visitors, and a
// small web server for the page.
//
// Your application needs only package client and a running Boreas server. The examples start a
// server in their own process, so that one command is enough to try them.
package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/api"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/js"
	"github.com/boreas-pubsub/boreas/v2/sse"
	"github.com/boreas-pubsub/boreas/v2/ws"
)

const (
	pingInterval   = 25 * time.Second
	presenceLinger = 5 * time.Second
	headerTimeout  = 10 * time.Second
	closeTimeout   = 5 * time.Second
)

// A Stage is the Boreas server of an example.
type Stage struct {
	API string // URL for the example's backend
	WS  string // URL for the visitors' browsers, where subscribers are served

	hub     *boreas.Hub // nil if the server runs in another process
	servers []*http.Server
}

// Open returns the server at the two URLs. If both are empty, it starts a server in this process,
// with the given rules. The server uses the page's port plus 100 and plus 200, so that open pages
// find it again after a restart of the example. If these ports are taken, or the page is on port 0,
// it uses free ports.
func Open(apiURL, wsURL, page string, rules *boreas.Rules) (*Stage, error) {
	switch {
	case apiURL != "" && wsURL != "":
		if _, err := subscribersURL(wsURL, "http"); err != nil {
			return nil, err
		}
		return &Stage{API: apiURL, WS: wsURL}, nil
	case apiURL != "" || wsURL != "":
		return nil, errors.New("give both URLs of a running Boreas, --api and --ws, or none to start one here")
	}
	s := &Stage{hub: boreas.New(boreas.Options{PingInterval: pingInterval, PresenceLinger: presenceLinger, Rules: rules})}
	authority, err := auth.Open(auth.Options{}) // in memory, so it needs no Close
	if err != nil {
		return nil, err
	}
	port := portOf(page)
	apiAddress, err := s.listen(port, 100, api.Handler(s.hub, api.Options{Authority: authority, Loopback: true}))
	if err == nil {
		s.API = "http://" + apiAddress
		var wsAddress string
		wsAddress, err = s.listen(port, 200, subscribers(s.hub, authority))
		s.WS = "ws://" + wsAddress + "/"
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a Boreas: %w", err), s.Close())
	}
	return s, nil
}

// subscribers returns a handler with the paths of a server's port for subscribers.
func subscribers(hub *boreas.Hub, authority *auth.Authority) http.Handler {
	o := ws.Options{Check: authority.Check, Heartbeat: pingInterval}
	mux := http.NewServeMux()
	mux.Handle("/", ws.Classic(hub, o))
	mux.Handle("/v2", ws.Handler(hub, o))
	mux.Handle(sse.Path, sse.Handler(hub, sse.Options{Check: authority.Check, PeerTimeout: pingInterval}))
	mux.HandleFunc("GET /boreas.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // pages of other origins import it
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Write(js.Source) //nolint:errcheck // the visitor has gone
	})
	return mux
}

// portOf returns the port of an address, or 0 if it has no known port.
func portOf(address string) int {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return port
}

// listen listens on the given port plus after, or on a free port if that port is taken or port is
// 0.
func (s *Stage) listen(port, after int, h http.Handler) (address string, err error) {
	if port != 0 {
		port += after
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout}
	s.servers = append(s.servers, server)
	go server.Serve(l) //nolint:errcheck // Close ends it with ErrServerClosed
	return l.Addr().String(), nil
}

// Client returns a client of the API.
func (s *Stage) Client() (*client.Client, error) { return client.New(client.Options{API: s.API}) }

// Close stops the server if Open started it.
func (s *Stage) Close() error {
	if s.hub == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	errs := []error{s.hub.Shutdown(ctx, 0)}
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown(ctx))
	}
	return errors.Join(errs...)
}
