package coding

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for _, test := range []struct {
		headers []string
		want    string
	}{
		{nil, "[]"},
		{[]string{""}, "[]"},
		{[]string{" Identity ,"}, "[]"},
		{[]string{"gzip"}, "[gzip]"},
		{[]string{"X-GZIP"}, "[gzip]"},
		{[]string{"deflate,\tgzip"}, "[deflate gzip]"},
		{[]string{"deflate", "identity", "gzip"}, "[deflate gzip]"},
		{[]string{"gzip, gzip, gzip"}, "The body has more than 2 content codings: send it with one."},
		{[]string{strings.Repeat("gzip,", 100_000)}, "The body has more than 2 content codings: send it with one."},
		{[]string{"br"}, `The body has the content coding "br": the server reads only gzip and deflate.`},
		{[]string{"gzip, x-compress"}, `The body has the content coding "x-compress": the server reads only gzip and deflate.`},
		{[]string{"*"}, `The body has the content coding "*": the server reads only gzip and deflate.`},
		{[]string{"gzip;q=1"}, `The body has the content coding "gzip;q=1": the server reads only gzip and deflate.`},
		{[]string{strings.Repeat("ż", 100_000)}, `The body has the content coding "` + strings.Repeat("ż", 40) + `": the server reads only gzip and deflate.`},
	} {
		codings, err := Of(test.headers)
		got := fmt.Sprint(codings)
		if err != nil {
			got = err.Error()
			if !errors.As(err, new(*UnknownError)) {
				t.Errorf("%.40q: the error is a %T", test.headers, err)
			}
		}
		if got != test.want {
			t.Errorf("%.40q:\ngot  %s\nwant %s", test.headers, got, test.want)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, s := range []string{"", "gzip, deflate", "Identity,,x-gzip\t", "deflate;", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		codings, err := Of([]string{header})
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
		if len(codings) > maxCodings || err != nil && codings != nil {
			t.Errorf("got %v, %v", codings, err)
		}
		for _, c := range codings {
			if c != Gzip && c != Deflate {
				t.Errorf("the coding %s", c)
			}
		}
	})
}
