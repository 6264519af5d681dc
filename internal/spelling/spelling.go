// Package spelling finds the intended name for a misspelt one.
package spelling

import "strings"

var plain = strings.NewReplacer("-", "", "_", "")

// maxTypos is how many letters may be wrong, missing, extra or swapped in a misspelt name.
const maxTypos = 3

// Nearest returns the element of names that is most similar to name, or "" if none is similar. It
// ignores case, dashes and underscores.
func Nearest(name string, names []string) string {
	given := plain.Replace(strings.ToLower(name))
	// If more than a third of the letters is wrong, it is another word.
	best, nearest := min(maxTypos, (len(given)+2)/3)+1, ""
	for _, candidate := range names {
		if d := distance(given, plain.Replace(strings.ToLower(candidate))); d < best {
			best, nearest = d, candidate
		}
	}
	return nearest
}

// Slip returns the element of names that name almost certainly misspells, or "". One letter may be
// wrong, missing, extra or swapped; two letters in names of eight or more. Use it for names that
// may also be intended as they are.
func Slip(name string, names []string) string {
	given := plain.Replace(strings.ToLower(name))
	for _, candidate := range names {
		meant := plain.Replace(strings.ToLower(candidate))
		slips := 1
		if len(meant) >= 8 {
			slips = 2
		}
		if name != candidate && distance(given, meant) <= slips {
			return candidate
		}
	}
	return ""
}

// DidYouMean returns the result of [Nearest] as the end of a sentence, or "".
func DidYouMean(name string, names []string) string {
	if nearest := Nearest(name, names); nearest != "" {
		return "; did you mean " + nearest + "?"
	}
	return ""
}

// distance returns how many letters must be inserted, deleted, changed or swapped with a neighbour
// to turn a into b.
func distance(a, b string) int {
	const maxName = 64 // limits the work for a hostile name
	if len(a) > maxName || len(b) > maxName {
		return maxName
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
