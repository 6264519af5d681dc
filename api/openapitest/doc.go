// Package openapitest checks api/openapi.json with external validators: the document itself, its
// examples, and every response in the tests of package api.
//
// It contains only tests, and is a module of its own, so that Boreas does not depend on the
// validators. `make test` runs it.
package openapitest
