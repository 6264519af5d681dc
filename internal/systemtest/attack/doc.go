// Package attack tests the whole server from outside, with the attacks that docs/security.md
// describes. It contains only tests.
//
// The server runs as in production: with keys, tokens of every kind, a backend that checks
// tokens, rules, and limits for all addresses. All of 127.0.0.0/8 is this machine, so attackers
// and bystanders have addresses of their own. The bystanders are a subscriber on each transport
// and a publisher, which run all the time. An attack is a row of a table with its required
// outcome. After it, the bystanders must have received every message once and in order, and the
// numbers of goroutines, sockets and sessions and the memory must be the same as before.
//
// With -args -table=FILE the attacks and their outcomes are written to a file.
//
// The attacks:
//
//   - HTTP: slow header; idle connections; slow body; ten thousand headers; a header of a MiB; a
//     path of 64 KiB; garbage after a request; smuggling: CL and TE; smuggling: two lengths;
//     smuggling: a disguised TE; smuggling: strange lengths; chunks that lie; CR and NUL in a
//     header; folded lines and blanks; NUL in the path; HTTP/0.9; HTTP/2 with prior knowledge; an
//     upgrade to h2c; a TLS hello on the plain port; TRACE and CONNECT; a target on another host;
//     dots and slashes in the path; escapes of escapes; ranges by the thousand; a long
//     If-None-Match; responses that are not read; resets.
//   - addresses: X-Forwarded-For from the client; X-Forwarded-For through the proxy; PROXY from a
//     stranger; a bad PROXY header from the proxy; a WebSocket from another site, with the cookie;
//     events from another site, with the cookie; origins that look right; two origins; two headers
//     Authorization; CR LF in repeated names; a flood of handshakes from one address; a flood of
//     handshakes from many addresses; a flood of requests; guesses on all transports in turn.
//   - first day: DNS rebinding; hosts that look local; two hosts; a form on another site; a
//     preflight; Basic authentication.
//   - streams: a huge Last-Event-ID; channels by the thousand; invalid parameters; streams that are
//     not read; sockets that are not read; half-closed streams; chattering streams; a storm of
//     streams; other methods on a stream; streams without permission.
//   - handshake: bad keys; strange upgrades; other versions; CR LF in a subprotocol; an offer of
//     deflate; a compression bomb; early data; a MiB of early data; frames in a body; resets around
//     the handshake; WebSockets on other paths; a handshake on the API.
//   - frames: an unmasked frame; RSV bits; reserved opcodes; control frames in fragments; a giant
//     ping; lengths of 2^62 and 2^63; announced frames that never arrive; lengths in too many
//     bytes; a message that is too large; one byte at a time; fragments of a byte; endless empty
//     fragments; endless fragments; fragments in disorder; pings between fragments; a flood of
//     pings; pings without reading the pongs; a flood of pongs; endless pongs and fragments;
//     invalid close frames; a close frame with bad text; requests after the close frame; garbage
//     after an error; bad UTF-8; a character in two fragments; binary messages.
//   - requests: a flood of invalid requests; deep nesting; repeated members; huge ids; numbers
//     beyond all bounds; escapes that hide something; a storm of joins; a storm of joins and
//     leaves; one channel a hundred times, with presence; info bombs; a flood of history requests;
//     a flood of messages; a flood of messages without ids; a flood of idempotency keys; invented
//     positions; positions of another channel; requests without reading the answers; names with
//     markup and newlines; users whose names are patterns; requests that rules deny; taking all
//     places of a channel.
//   - storms: more connections than a user may have; a storm of presence; a storm of refreshes; one
//     session, many users; connections that join and vanish; a storm on the classic wire; requests
//     without a token; coming back with a revoked token; one user from a hundred addresses.
//   - tokens: guessing tokens on a socket; guessing tokens on the classic wire; guessing tokens for
//     events; images with bad tokens; tokens that are almost right; giant tokens; a flood while the
//     backend hangs; sockets that wait for the backend; the same token from everywhere; gone before
//     the backend answers; cookies by the dozen.
//   - JWT: alg none; HS256 with the public key; kids that are paths and queries; jku, x5u and jwk;
//     crit and b64; encrypted tokens; huge tokens; invalid times; another issuer or audience;
//     invalid rules; a revoked token with another signature; a revoked token, encoded otherwise; a
//     flood of unknown kids.
//   - issuers: a JWKS that hangs; a JWKS that is huge; a JWKS that redirects.
//   - API: guessing keys; keys in the wrong place; keys as tokens, tokens as keys; a key beyond its
//     verbs; a key that makes a better one; a key beyond its channels; without a key; a method in a
//     header; deleting with encoded slashes; a page that has the key; inspect as an oracle; a flood
//     of new tokens; a flood of revocations; a flood of keys.
//   - bodies: a body of a TiB; an endless body; a compressed body; Expect: 100-continue, and then
//     nothing; a batch of 1,001; JSON on which parsers disagree; a deep message; patterns that
//     explode; invalid channel names; unknown parameters.
package attack
