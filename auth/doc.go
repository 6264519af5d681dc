// Package auth knows who may do what. An [Authority] has the tokens that let subscribers
// in, the keys for the API, and what was revoked; it keeps them in a file of JSON lines,
// without a secret in it. [Load] gets tokens from where the operator keeps them.
package auth
