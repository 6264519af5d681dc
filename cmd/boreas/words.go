package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// secret matches tokens and keys: opaque ones, classic tokens, and JWTs.
var secret = regexp.MustCompile(`^(b[tk]_[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{100,}-[0-9]+|ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)$`)

// isSecret reports whether a text is a token or a key, in a place where its ID is expected.
func isSecret(text string) bool { return secret.MatchString(text) }

// whatToDo returns the advice from the table of errors, or "" for an unknown code.
func whatToDo(code string) string {
	for _, f := range fault.All() {
		if f.Code == code {
			return f.Do
		}
	}
	return ""
}

// advice returns the remedy for a refusal. The table of errors has one sentence per code, but the
// fix for a rule that denies a request depends on the verb.
func advice(r *client.Refusal) string {
	if r.Code != client.CodeNotPermitted {
		return whatToDo(r.Code)
	}
	const see = " `boreas token inspect` shows the permissions of a token."
	switch verb, _, _ := strings.Cut(r.Verb, " "); {
	case strings.HasPrefix(r.Token, "key_"):
		return "Make a key that has the verb and the channel: `boreas key new`. `boreas key list` shows the permissions of a key."
	case verb == "publish":
		return "A client can publish if its token allows publish and the channel's rule has client_publish. Correct the one that the message names, or publish from the backend." + see
	case verb == "join", verb == "history", verb == "presence":
		return "Make a token whose rules allow the verb in the message on this channel." + see
	}
	return whatToDo(r.Code)
}

// needsNewer adds a hint to the error of a server that does not know the request.
func needsNewer(err error) error {
	var refusal *client.Error
	if errors.As(err, &refusal) && (refusal.Status == http.StatusNotFound && (refusal.Code == "" || refusal.Code == client.CodeNotFound) ||
		refusal.Status == http.StatusMethodNotAllowed) {
		return fmt.Errorf("%w; the server may be older than this command", err)
	}
	return err
}

// printable replaces characters of a client's text that would move the terminal's cursor or break
// a table.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
