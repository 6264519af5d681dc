// Package openapitest checks api/openapi.json with a validator that others wrote: the
// document itself, its examples, and every answer that the tests of package api get.
//
// It has tests only, and is a module of its own: the validator takes longer to compile
// than all of Boreas, and brings as many modules as Boreas needs. `make test` runs it.
package openapitest
