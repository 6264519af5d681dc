package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/boreas-pubsub/boreas/v2"
	"github.com/boreas-pubsub/boreas/v2/access"
	"github.com/boreas-pubsub/boreas/v2/auth"
	"github.com/boreas-pubsub/boreas/v2/fault"
)

// An authority creates a token, and checks it when a client presents it.
func Example() {
	authority, err := auth.Open(auth.Options{}) // in memory: set DataDir to keep tokens
	if err != nil {
		log.Fatal(err)
	}
	defer authority.Close()

	rules, err := auth.ParseRules([]byte(`[{"channels":["news.*"],"allow":["join"]}]`))
	if err != nil {
		log.Fatal(err)
	}
	text, _, err := authority.CreateToken(auth.Token{User: "ann", Rules: rules})
	if err != nil {
		log.Fatal(err)
	}

	// The transports call Check: pass it to ws.Options and sse.Options.
	grant, err := authority.Check(access.Credentials{Token: text})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(grant.User)
	fmt.Println(grant.Permissions.Decide(access.VerbJoin, "news.sport").Allowed)
	fmt.Println(grant.Permissions.Decide(access.VerbPublish, "news.sport").Allowed)

	_, err = authority.Check(access.Credentials{Token: "made up"})
	fmt.Println(errors.Is(err, fault.InvalidToken))

	// Output:
	// ann
	// true
	// false
	// true
}

// A revocation makes tokens invalid, and then ends their sessions.
func ExampleAuthority_Revoke() {
	authority, err := auth.Open(auth.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer authority.Close()
	hub := boreas.New(boreas.Options{Valid: authority.Valid}) // a session that starts meanwhile is checked again
	defer hub.Shutdown(context.Background(), 0)               //nolint:errcheck // there are no sessions to wait for

	text, _, err := authority.CreateToken(auth.Token{User: "ann"})
	if err != nil {
		log.Fatal(err)
	}
	match, err := authority.Revoke(auth.Revocation{User: "ann"})
	if err != nil {
		log.Println(err)
	}
	if match != nil { // the revocation is in force, even if it could not be stored
		fmt.Println("sessions ended:", hub.RevokeSessions(match, 0))
	}
	_, err = authority.Check(access.Credentials{Token: text})
	fmt.Println(err)

	// Output:
	// sessions ended: 0
	// The token was revoked.
}

// The authority accepts JSON Web Tokens of an issuer, and asks a backend about all other tokens.
func ExampleOpen() {
	jwt, err := auth.NewJWT(auth.JWTOptions{
		Keys:         []string{"https://issuer.example/.well-known/jwks.json"},
		Issuer:       "https://issuer.example",
		Audience:     "boreas",
		DefaultRules: `[{"channels":["user.{user}"],"allow":["join"]}]`,
	})
	if err != nil {
		log.Fatal(err)
	}
	backend, err := auth.NewBackend(auth.BackendOptions{URL: "https://shop.example/boreas/auth"})
	if err != nil {
		log.Fatal(err)
	}
	authority, err := auth.Open(auth.Options{DataDir: "/var/lib/boreas", JWT: jwt, Backend: backend})
	if err != nil {
		log.Fatal(err)
	}
	defer authority.Close() // it also closes jwt and backend
}
