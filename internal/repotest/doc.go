// Package repotest has the tests about this repository: which package may import which, how
// long files may be, whether the documents agree with the code, and whether the prose is plain.
package repotest
