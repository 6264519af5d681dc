// Package openapitest checks api/openapi.json with an external validator: the document itself, its
// examples, and every response in the tests of package api.
//
// It contains only tests, and is a module of its own: the validator takes longer to compile than
// all of Boreas, and has as many dependencies as Boreas. `make test` runs it.
package openapitest
