package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	tokenAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	tokenRandom   = 128 // random characters of a token: 762 bits

	// maxToken is the greatest length of a token from elsewhere, in bytes: it has
	// to fit into a URL (DELETE /token/{token}) and a client's message.
	maxToken = 4096
)

// newToken makes a token as Boreas 1.0 did: random characters, a dash, Unix seconds.
func newToken() string {
	token := make([]byte, 0, tokenRandom+len("-1234567890"))
	// Bytes from limit on would make the alphabet's first characters likelier than
	// the others: they are thrown away.
	const limit = 256 - 256%len(tokenAlphabet)
	var random [tokenRandom]byte
	for len(token) < tokenRandom {
		rand.Read(random[:]) // never fails: the runtime ends the process first
		for _, b := range random {
			if int(b) < limit && len(token) < tokenRandom {
				token = append(token, tokenAlphabet[int(b)%len(tokenAlphabet)])
			}
		}
	}
	token = append(token, '-')
	return string(strconv.AppendInt(token, time.Now().Unix(), 10))
}

// check returns what makes a text unusable as a token. It never repeats the token.
func check(token string) error {
	switch {
	case token == "":
		return errors.New("the token is empty")
	case len(token) > maxToken:
		return fmt.Errorf("the token has %d bytes, more than %d", len(token), maxToken)
	case !utf8.ValidString(token):
		return errors.New("the token is not valid UTF-8")
	}
	for i, r := range token {
		if unicode.IsControl(r) {
			return fmt.Errorf("the token has a control character, %U, at byte %d", r, i)
		}
		if unicode.IsSpace(r) {
			return fmt.Errorf("the token has a blank, %U, at byte %d", r, i)
		}
	}
	return nil
}
