package auth

import (
	"testing"
)

// TestMintIsUniform counts the characters of many tokens. With random bytes modulo 62, the first eight
// characters would be a quarter more frequent than the others.
func TestMintIsUniform(t *testing.T) {
	const tokens = 4000
	var counts [256]int
	for range tokens {
		for _, c := range []byte(newToken()[:tokenRandom]) {
			counts[c]++
		}
	}
	mean := float64(tokens*tokenRandom) / float64(len(tokenAlphabet))
	for _, c := range []byte(tokenAlphabet) {
		// Seven standard deviations of about 90 each: never by chance.
		if n := float64(counts[c]); n < mean*0.92 || n > mean*1.08 {
			t.Errorf("%c occurred %.0f times, want about %.0f", c, n, mean)
		}
	}
}

func TestIsID(t *testing.T) {
	for text, want := range map[string]bool{
		"tok_aZ09-_aZ09-_abcd":  true,
		"tok_aZ09-_aZ09-_abc":   false,
		"tok_aZ09-_aZ09-_abcde": false,
		"key_aZ09-_aZ09-_abcd":  false,
		"tok_aZ09-_aZ09-_abc ":  false,
		"":                      false,
	} {
		if got := isID(tokenIDPrefix, text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	last := -1
	for c := range 256 {
		if r := rank(byte(c)); r >= 0 {
			if r != last+1 {
				t.Errorf("%c is number %d after %d: the order of IDs is that of bytes", c, r, last)
			}
			last = r
		}
	}
	if last != 63 {
		t.Errorf("%d characters", last+1)
	}
}
