// Package auth decides what clients and backends may do. An [Authority] checks the tokens of clients
// and the keys for the API, and it creates, keeps and revokes both.
//
// The Authority looks for a token in three places, in this order:
//
//   - Its own tokens: those that it created ([Authority.CreateToken], [Authority.Mint]), and those
//     of a provider ([Load], [Authority.Add]).
//   - [JWT]: JSON Web Tokens that are signed with one of the configured keys.
//   - [Backend]: for any other token it asks the operator's backend, and caches the answer.
//
// The result is an [access.Grant]. A revocation applies to the grants of all three.
//
// # Storage
//
// With a directory or a [Store], tokens, keys and revocations survive a restart. A change is stored
// before it takes effect. Only the hashes of tokens and keys are stored. The Authority limits their
// number.
//
// # Revocation
//
// [Authority.Revoke] makes tokens invalid, and returns a function that matches their grants. Pass
// the function to [boreas.Hub.RevokeSessions] to end the sessions of the tokens. Pass
// [Authority.Valid] to the hub as an option: the hub then checks each session again after its
// start. So a revocation also ends the sessions that start while it runs.
package auth
