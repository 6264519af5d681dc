package auth

import "github.com/boreas-pubsub/boreas/fault"

// Errors of this package, to be compared with [errors.Is]. The text of an error that a method
// returns is a sentence that says more.
var (
	// ErrInvalidToken: nobody knows the token, or a check of it failed.
	ErrInvalidToken error = fault.InvalidToken

	// ErrUnavailable: the backend, or the issuer of a JWT, does not answer. Try again later.
	ErrUnavailable error = fault.AuthUnavailable

	// ErrInvalidKey: the API key is unknown, expired or revoked.
	ErrInvalidKey error = fault.InvalidKey

	// ErrNoToken: there is no token with the ID, or it has expired or is revoked.
	ErrNoToken error = fault.NoToken

	// ErrNoKey: there is no API key with the ID.
	ErrNoKey error = fault.NoKey

	// ErrMalformed: a value is not allowed, for example a label that is too long.
	ErrMalformed error = fault.Malformed

	// ErrTooMany: the maximum number of tokens, keys or revocations is reached.
	ErrTooMany error = fault.TooManyStored

	// ErrNotStored: the change could not be written to the directory or store.
	ErrNotStored error = fault.NotStored
)
