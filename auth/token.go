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

	// maxToken is the maximum length of a provider's token, in bytes. It must fit into a URL (DELETE
	// /token/{token}) and into a client's message.
	maxToken = 4096
)

// newToken returns a token as Boreas 1.0 made them: random characters, a dash, Unix seconds.
func newToken() string {
	token := make([]byte, 0, tokenRandom+len("-1234567890"))
	// Bytes from limit on are not used. They would make the first characters of the alphabet more
	// likely than the others.
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

// check returns why a text cannot be a token. The error never contains the text.
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
