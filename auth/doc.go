// Package auth knows the tokens that let subscribers in: [Tokens] holds those that
// are valid, and [Load] gets the first ones from where the operator keeps them.
//
// A token is also its subscriber's identity. The server makes tokens on request
// (see [Tokens.Mint]) and takes any others a provider names.
package auth
