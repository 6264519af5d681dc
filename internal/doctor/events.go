package doctor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/boreas-pubsub/boreas/v2/client"
)

const (
	twoServers = "--api and --ws are not the same server"
	oneServer  = "Give the two URLs of one server."
)

const unbuffered = "Turn buffering off for /v2/events: in nginx `proxy_buffering off;`, unless it obeys the header X-Accel-Buffering of each answer. " +
	"Turn compression of text/event-stream off as well."

// events opens a stream and publishes a message to it.
func (v *visit) events(ctx context.Context, report reporter) {
	if v.distrusted[v.ws.Host] {
		report(Skipped, "not checked, because TLS does not work", "")
		return
	}
	token, forget, why := v.pass(ctx)
	if token == "" {
		report(Warning, "not checked: "+why, "Give a token with --token-file, or a key with the verb tokens.")
		return
	}
	defer forget()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines, refusal := make(chan string), make(chan *answer, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		refusal <- v.stream(ctx, token, lines)
	}()
	defer func() { cancel(); <-ended }()

	a, came := v.await(ctx, lines, refusal, "event: join")
	switch {
	case came:
	case a != nil:
		v.noStream(a, token != v.o.Token, report)
		return
	default:
		report(Failed, fmt.Sprintf("no event arrived within %v: a proxy buffers event streams", v.o.Wait), unbuffered)
		return
	}
	v.message(ctx, lines, refusal, report)
}

// message publishes to the stream's channel and waits for the message.
func (v *visit) message(ctx context.Context, lines chan string, refusal chan *answer, report reporter) {
	if !v.allowed {
		report(Warning, "the stream begins at once; the delay of messages was not checked, because the API cannot be reached or does not accept the key", "")
		return
	}
	asking, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	ack, err := v.client.Publish(asking, v.channel, "hello", client.PublishOptions{})
	if err != nil {
		_, message := refused(err)
		report(Warning, "the stream begins at once; the delay of messages was not checked: "+message, "")
		return
	}
	switch _, came := v.await(ctx, lines, refusal, "data: {\"channel\":\""+v.channel); {
	case came:
		report(OK, "the stream begins at once, and a message arrives at once", "")
	case ack.Subscribers == 0:
		report(Failed, "a message published at the API does not arrive on the stream: "+twoServers, oneServer)
	default:
		report(Failed, fmt.Sprintf("a message did not arrive within %v: a proxy buffers event streams", v.o.Wait), unbuffered)
	}
}

// stream reads a stream of the visit's channel. If the server refuses the stream, it returns the
// reply.
func (v *visit) stream(ctx context.Context, token string, lines chan<- string) *answer {
	address := v.wsHTTP("/v2/events") + "?channel=" + url.QueryEscape(v.channel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return &answer{body: err.Error()}
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := v.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		text, _ := v.unreachable(v.ws, err)
		return &answer{body: text}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return &answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	}
	read := bufio.NewScanner(resp.Body)
	for read.Scan() {
		select {
		case lines <- read.Text():
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// await waits for a line with the given beginning. If the stream is refused, it returns the reply.
func (v *visit) await(ctx context.Context, lines <-chan string, refusal chan *answer, begin string) (a *answer, came bool) {
	late := time.NewTimer(v.o.Wait)
	defer late.Stop()
	for {
		select {
		case text := <-lines:
			if strings.HasPrefix(text, begin) {
				return nil, true
			}
		case a = <-refusal:
			return a, false
		case <-late.C:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// noStream reports why a stream was refused. made means that doctor created the token at the API.
func (v *visit) noStream(a *answer, made bool, report reporter) {
	code, message := a.fault()
	switch {
	case made && code == "invalid_token":
		report(Failed, "a token that the API has just made is not valid here: "+twoServers, oneServer)
	case a.status == 0:
		report(Failed, a.body, "Check that the server runs and that the URL is correct.")
	case code == "not_permitted":
		report(Warning, "not checked: "+message, "Give a key with the verb tokens, or a token that allows join on boreas.doctor.*.")
	case code != "":
		report(Failed, "the server refuses: "+message, "See docs/errors.md#"+code+".")
	case gateway(a.status):
		report(Failed, message+": a proxy does not reach the server", behind)
	default:
		report(Failed, message+", and not an event stream: a proxy or another program answered", "Configure the proxy to forward /v2/events to the server.")
	}
}

// pass returns a token that may join the visit's channel, and a function that deletes it. If there
// is no token, it says why.
func (v *visit) pass(ctx context.Context) (token string, forget func(), why string) {
	given := func(why string) (string, func(), string) { return v.o.Token, func() {}, why }
	if !v.allowed {
		return given("there is no token, and the API cannot make one")
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	made, err := v.client.CreateToken(ctx, client.NewTokenRequest{
		Label: "boreas doctor",
		Rules: []client.Rule{{Channels: []string{v.channel}, Allow: []string{"join"}}},
	})
	if err != nil {
		_, message := refused(err)
		return given("the API did not make a token: " + message)
	}
	forgetting := context.WithoutCancel(ctx)
	return made.Token, func() {
		ctx, cancel := context.WithTimeout(forgetting, v.o.Timeout)
		defer cancel()
		v.client.DeleteTokenID(ctx, made.ID) //nolint:errcheck // the token may join only one channel, on which nobody publishes
	}, ""
}
