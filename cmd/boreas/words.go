package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/boreas-pubsub/boreas/client"
	"github.com/boreas-pubsub/boreas/internal/fault"
)

// secret is what tokens and keys look like: opaque ones, those of Boreas 1, JWTs.
var secret = regexp.MustCompile(`^(b[tk]_[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{100,}-[0-9]+|ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)$`)

// isSecret tells whether a text is a token or a key, where its ID was meant.
func isSecret(text string) bool { return secret.MatchString(text) }

// whatToDo returns what the table of errors advises, "" for a code that is not in it.
func whatToDo(code string) string {
	for _, f := range fault.All() {
		if f.Code == code {
			return f.Do
		}
	}
	return ""
}

// advice returns the remedy for a refusal. The table of errors has one sentence for each code, but a rule that denies a request is
// fixed in different places for different verbs.
func advice(r *client.Refusal) string {
	if r.Code != client.CodeNotPermitted {
		return whatToDo(r.Code)
	}
	const see = " `boreas token inspect` shows the permissions of a token."
	switch verb, _, _ := strings.Cut(r.Verb, " "); {
	case strings.HasPrefix(r.Token, "key_"):
		return "Make a key that has the verb and the channel: `boreas key new`. `boreas key list` shows the permissions of a key."
	case verb == "publish":
		return "Clients publish where the token allows publish and the channel's rule has client_publish: correct the one that the message names, or publish from the backend." + see
	case verb == "join", verb == "history", verb == "presence":
		return "Make a token whose rules allow the verb in the message on this channel." + see
	}
	return whatToDo(r.Code)
}

// needsNewer says so if the server does not know what it was asked.
func needsNewer(err error) error {
	var refusal *client.Error
	if errors.As(err, &refusal) && (refusal.Code == "" || refusal.Code == client.CodeNotFound) && refusal.Status == http.StatusNotFound {
		return fmt.Errorf("%w; the server may be older than this command", err)
	}
	return err
}

// printable returns a text that clients have chosen as it can be shown: nothing in it
// moves the terminal's cursor, or a table's columns.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
