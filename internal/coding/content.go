package coding

import (
	"fmt"
	"strings"
)

// maxCodings is the maximum number of codings of one body. Nobody needs more than one; two are for a
// client and a proxy that both compress.
const maxCodings = 2

// An UnknownError means that a body has codings that this package does not decode. Its text is a
// sentence for the client.
type UnknownError struct{ sentence string }

func (e *UnknownError) Error() string { return e.sentence }

// Of returns the codings of a body from its headers Content-Encoding, without Identity, in the
// order in which they were applied. The error is an [*UnknownError].
func Of(contentEncoding []string) ([]Coding, error) {
	if len(contentEncoding) == 0 {
		return nil, nil
	}
	var codings []Coding
	for _, list := range contentEncoding {
		for name := range strings.SplitSeq(list, ",") {
			var c Coding
			switch name = trim(name); {
			case name == "", strings.EqualFold(name, string(Identity)):
				continue
			case strings.EqualFold(name, string(Gzip)), strings.EqualFold(name, "x-gzip"):
				c = Gzip
			case strings.EqualFold(name, string(Deflate)):
				c = Deflate
			default:
				return nil, &UnknownError{fmt.Sprintf("The body has the content coding %.40q: the server reads only gzip and deflate.", name)}
			}
			if len(codings) == maxCodings {
				return nil, &UnknownError{fmt.Sprintf("The body has more than %d content codings: send it with one.", maxCodings)}
			}
			codings = append(codings, c)
		}
	}
	return codings, nil
}
