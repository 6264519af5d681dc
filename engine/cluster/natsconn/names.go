package natsconn

import (
	"encoding/hex"
	"strings"
)

// MaxName is the maximum length of a channel's name in bytes. NATS closes the connection of a client
// whose subject is longer than a line of its protocol, 4,096 bytes; an encoded name has at most
// three bytes for each byte.
const MaxName = 1024

// Encode returns a name as one token of a subject. Letters, digits, "-" and "_" stay, and every
// other byte becomes "=" and two hexadecimal digits. The empty name is "=". No other name begins
// with "=" and a lower-case letter, so such tokens are free for other uses.
func Encode(name string) string {
	if name == "" {
		return "="
	}
	special := 0
	for i := range len(name) {
		if !plain(name[i]) {
			special++
		}
	}
	if special == 0 {
		return name
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(name)+2*special)
	for i := range len(name) {
		if c := name[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', digits[c>>4], digits[c&15])
		}
	}
	return string(b)
}

// plain reports whether a byte stands for itself in a token.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Decode returns the name that [Encode] made into the token. It returns false for any other token,
// so that each name has one token.
func Decode(token string) (name string, ok bool) {
	if !strings.Contains(token, "=") {
		return token, token != "" && Encode(token) == token
	}
	if token == "=" {
		return "", true
	}
	b := make([]byte, 0, len(token))
	for i := 0; i < len(token); i++ {
		if token[i] != '=' {
			b = append(b, token[i])
			continue
		}
		if i+2 >= len(token) {
			return "", false
		}
		c, err := hex.DecodeString(token[i+1 : i+3])
		if err != nil {
			return "", false
		}
		b = append(b, c[0])
		i += 2
	}
	name = string(b)
	return name, Encode(name) == token
}

// Stream returns the name of a stream: the prefix in upper case, and the words after it.
func (o *Options) Stream(words ...string) string {
	return strings.ToUpper(strings.Join(append([]string{strings.ReplaceAll(o.prefix(), ".", "_")}, words...), "_"))
}

// Subject returns a subject: the prefix and the tokens after it.
func (o *Options) Subject(tokens ...string) string {
	return strings.Join(append([]string{o.prefix()}, tokens...), ".")
}
