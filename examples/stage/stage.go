// Package stage is what both examples stand on: the Boreas they talk to, tokens
// for their visitors, and the few lines that serve a page.
//
// An application of yours needs package client only, and a Boreas that runs
// somewhere: `boreas`. The examples bring their own so that one command is enough
// to see them work.
package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/boreas-pubsub/boreas"
	"github.com/boreas-pubsub/boreas/api"
	"github.com/boreas-pubsub/boreas/auth"
	"github.com/boreas-pubsub/boreas/client"
	"github.com/boreas-pubsub/boreas/ws"
)

const (
	pingInterval  = 25 * time.Second
	headerTimeout = 10 * time.Second
	closeTimeout  = 5 * time.Second
)

// A Stage is the Boreas that an example talks to.
type Stage struct {
	API string // URL for the example's backend
	WS  string // URL for the visitors' browsers

	hub     *boreas.Hub // nil if the Boreas is not our own
	servers []*http.Server
}

// Open returns the Boreas at the two URLs. If both are empty it starts one within
// this process, on free ports of this machine.
func Open(apiURL, wsURL string) (*Stage, error) {
	switch {
	case apiURL != "" && wsURL != "":
		return &Stage{API: apiURL, WS: wsURL}, nil
	case apiURL != "" || wsURL != "":
		return nil, errors.New("give both URLs of a running Boreas, --api and --ws, or none to start one here")
	}
	s := &Stage{hub: boreas.New(boreas.Options{PingInterval: pingInterval})}
	tokens := auth.NewTokens()
	apiAddress, err := s.listen(api.Handler(s.hub, api.Options{Tokens: tokens}))
	if err == nil {
		s.API = "http://" + apiAddress
		var wsAddress string
		wsAddress, err = s.listen(ws.Classic(s.hub, ws.Options{Check: tokens.Check}))
		s.WS = "ws://" + wsAddress + "/"
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a Boreas: %w", err), s.Close())
	}
	return s, nil
}

func (s *Stage) listen(h http.Handler) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout}
	s.servers = append(s.servers, server)
	go server.Serve(l) //nolint:errcheck // ends with ErrServerClosed, in Close
	return l.Addr().String(), nil
}

// Client returns a client of the API.
func (s *Stage) Client() (*client.Client, error) { return client.New(client.Options{API: s.API}) }

// Close ends the Boreas if Open started it.
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
