package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestTraceparent(t *testing.T) {
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, c := range map[string]struct {
		headers []string
		want    string
	}{
		"none":                           {nil, ""},
		"valid":                          {[]string{valid}, valid},
		"not sampled":                    {[]string{valid[:53] + "00"}, valid[:53] + "00"},
		"a later version":                {[]string{"cc" + valid[2:]}, valid},
		"a later version, long":          {[]string{"cc" + valid[2:] + "-what-the-future-will-be-like"}, valid},
		"a later version, not separated": {[]string{"cc" + valid[2:] + ".what"}, ""},
		"version 00, long":               {[]string{valid + "-x"}, ""},
		"version ff":                     {[]string{"ff" + valid[2:]}, ""},
		"version in capitals":            {[]string{"CC" + valid[2:]}, ""},
		"two":                            {[]string{valid, valid}, ""},
		"short":                          {[]string{valid[:54]}, ""},
		"empty":                          {[]string{""}, ""},
		"capitals":                       {[]string{strings.ToUpper(valid)}, ""},
		"no trace":                       {[]string{"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01"}, ""},
		"no parent":                      {[]string{"00-0af7651916cd43dd8448eb211c80319c-" + strings.Repeat("0", 16) + "-01"}, ""},
		"no digits":                      {[]string{"00-0af7651916cd43dd8448eb211c80319x-b7ad6b7169203331-01"}, ""},
		"another separator":              {[]string{strings.ReplaceAll(valid, "-", "_")}, ""},
		"a separator too many":           {[]string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-1-01"}, ""},
		"a line break":                   {[]string{valid[:54] + "\n"}, ""},
	} {
		if got := traceparent(http.Header{"Traceparent": c.headers}); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, text string) {
		got := parseTraceparent(text)
		if got != "" && (len(got) != traceparentLength || got != parseTraceparent(got) || !strings.HasPrefix(text[2:], got[2:])) {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
