package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// benchRules are typical rules: the channels of the shapes, and some more.
const benchRules = `[{"channels":["room-*","news.*","user.{user}.**"],"allow":["join","publish","history","presence"]},` +
	`{"channels":["**.log"],"allow":["history"]},{"channels":["admin.**"],"deny":["join","publish","history","presence"]}]`

// tokensOfAll is the number of tokens if each subscriber has its own.
const tokensOfAll = 15000

// --- Boreas without tokens, otherwise the same ---

func openCommand(program, dir string, p ports) ([]string, error) {
	command, err := boreasCommand(program, dir, p)
	return append(command, "--require_auth=false"), err
}

func noTokens(context.Context, *workshop, ports, string) (string, error) { return "", nil }

// --- opaque tokens with rules ---

func opaqueTokens(ctx context.Context, _ *workshop, p ports, dir string) (string, error) {
	var list strings.Builder
	for i := range tokensOfAll {
		token, err := newOpaqueToken(ctx, p.api, fmt.Sprintf("user%d", i))
		if err != nil {
			return "", err
		}
		list.WriteString(token + "\n")
	}
	file := filepath.Join(dir, "tokens")
	return file, os.WriteFile(file, []byte(list.String()), 0o600)
}

func newOpaqueToken(ctx context.Context, apiPort int, user string) (string, error) {
	var answer struct {
		Token string `json:"token"`
	}
	err := post(ctx, apiPort, "/v2/tokens", fmt.Sprintf(`{"user":%q,"rules":%s}`, user, benchRules), &answer)
	return answer.Token, err
}

// post sends JSON to the API and decodes the response.
func post(ctx context.Context, apiPort int, path, body string, into any) error {
	return call(ctx, http.MethodPost, apiPort, path, strings.NewReader(body), into)
}

// get decodes a response of the API.
func get(ctx context.Context, apiPort int, path string, into any) error {
	return call(ctx, http.MethodGet, apiPort, path, nil, into)
}

func call(ctx context.Context, method string, apiPort int, path string, body io.Reader, into any) error {
	url := fmt.Sprintf("http://127.0.0.1:%d%s", apiPort, path)
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s answered %s: %.200s", method, url, answer.Status, text)
	}
	return json.Unmarshal(text, into)
}

// --- JWTs ---

// A signer returns the signature of a JWT.
type signer func(signed []byte) ([]byte, error)

func jwtCommand(key string) func(program, dir string, p ports) ([]string, error) {
	return func(program, dir string, p ports) ([]string, error) {
		if err := makeKey(dir, key); err != nil {
			return nil, err
		}
		command, err := boreasCommand(program, dir, p)
		return append(command, "--jwt_keys="+key+":"+filepath.Join(dir, keyFile)), err
	}
}

const (
	keyFile     = "key"     // the server's key
	privateFile = "private" // the signing key, if it is another
)

// makeKey creates a secret for the kind hs256, or a key pair for the kind file.
func makeKey(dir, kind string) error {
	if kind == "hs256" {
		secret := make([]byte, 32)
		rand.Read(secret)
		return os.WriteFile(filepath.Join(dir, keyFile), []byte(base64.StdEncoding.EncodeToString(secret)), 0o600)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	if err := os.WriteFile(filepath.Join(dir, keyFile), text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, privateFile), secret, 0o600)
}

func hs256Signer(dir string) (signer, error) {
	secret, err := os.ReadFile(filepath.Join(dir, keyFile))
	return func(signed []byte) ([]byte, error) {
		h := hmac.New(sha256.New, secret)
		h.Write(signed)
		return h.Sum(nil), nil
	}, err
}

func es256Signer(dir string) (signer, error) {
	secret, err := os.ReadFile(filepath.Join(dir, privateFile))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(secret)
	return func(signed []byte) ([]byte, error) {
		sum := sha256.Sum256(signed)
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			return nil, err
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
	}, err
}

// jwtTokens creates a JWT for each subscriber.
func jwtTokens(algorithm string, newSigner func(dir string) (signer, error)) func(context.Context, *workshop, ports, string) (string, error) {
	return func(_ context.Context, _ *workshop, _ ports, dir string) (string, error) {
		sign, err := newSigner(dir)
		if err != nil {
			return "", err
		}
		var list bytes.Buffer
		now := time.Now().Unix()
		for i := range tokensOfAll {
			token := base64.RawURLEncoding.AppendEncode(nil, []byte(`{"alg":"`+algorithm+`","typ":"JWT"}`))
			claims := fmt.Sprintf(`{"sub":"user%d","iat":%d,"exp":%d,"boreas":%s}`, i, now, now+3600, benchRules)
			token = base64.RawURLEncoding.AppendEncode(append(token, '.'), []byte(claims))
			signature, err := sign(token)
			if err != nil {
				return "", err
			}
			list.Write(base64.RawURLEncoding.AppendEncode(append(token, '.'), signature))
			list.WriteByte('\n')
		}
		file := filepath.Join(dir, "tokens")
		return file, os.WriteFile(file, list.Bytes(), 0o600)
	}
}
