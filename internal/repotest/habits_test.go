package repotest

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file counts habits of speech that make readers read a sentence twice. A low count does not
// make a text good, and no sentence should be bent to please it.

// mostHabits bounds the habits per 1,000 words of each kind of prose. Lower a bound when the prose
// has become better; do not raise one.
var mostHabits = map[string]float64{
	"documents":     5, // Markdown, and the descriptions in api/openapi.json
	"comments":      5,
	"test comments": 5,
	"messages":      5, // string literals of the product that read like a sentence
}

// A habit is a pattern, and the plain words that replace it.
type habit struct {
	name    string
	hints   []string // lower case; each match of the pattern contains one
	pattern *regexp.Regexp
	instead string
}

var habits = []habit{
	{"what or who as a noun", []string{"what", "who"}, regexp.MustCompile(`(?i)\b(?:what|who|whom|whose)\b`), "name the thing or the actor"},
	{"tell", []string{"tell", "told"}, regexp.MustCompile(`(?i)\b(?:tells?|told)\b`), "return, report, show"},
	{"then, too or at that at the end", []string{"then", "too", "at that"}, regexp.MustCompile(`\b(?:then|too|at that)[.;:]`), "leave it out, or start with it"},
	{"is no", []string{"is no", "are no", "was no", "were no"}, regexp.MustCompile(`\b(?:is|are|was|were) no\b( longer| more)?`), "is not a, has no, does not exist"},
	{"but for, of which", []string{"but for", "of which", "of whom", "that which", "such a one"}, regexp.MustCompile(`(?i)\b(?:but for|of which|of whom|that which|such a one)\b`), "except, a new sentence"},
	{"a second as a rate", []string{"a second", "a minute"}, regexp.MustCompile(`\b(?:requests|messages|bytes|connections|accepts|times|publishes|deliveries|pieces)\b[^.,;]{0,30}\ba (?:second|minute)\b`), "per second"},
}

// count returns how often the sentence has the habit. Lower is the sentence in lower case: most
// sentences contain no hint, and the search for hints is much faster than the pattern.
func (h habit) count(sentence, lower string) int {
	if !slices.ContainsFunc(h.hints, func(hint string) bool { return strings.Contains(lower, hint) }) {
		return 0
	}
	n := 0
	for _, m := range h.pattern.FindAllStringSubmatchIndex(sentence, -1) {
		stays := len(m) > 2 && m[2] >= 0 // "is no longer"
		asks := strings.HasPrefix(h.name, "what") && strings.HasSuffix(sentence, "?")
		if !stays && !asks {
			n++
		}
	}
	return n
}

// longSentence is the number of words above which a sentence counts as a habit.
const longSentence = 40

// A paragraph is a run of prose, without its comment marks.
type paragraph struct {
	file string
	line int
	text string
}

var listHabits = flag.Bool("habits", false, "list all sentences that TestProseIsPlain counts")

// TestProseIsPlain counts the habits. With -habits, it lists every sentence that it counts.
func TestProseIsPlain(t *testing.T) {
	prose := proseOf(t)
	for _, kind := range slices.Sorted(maps.Keys(mostHabits)) {
		words, found, counted := 0, 0, []string(nil)
		counts := map[string]int{}
		note := func(p paragraph, sentence, name, instead string, n int) {
			found += n
			counts[name] += n
			counted = append(counted, fmt.Sprintf("%s:%d: %s (%s): %.160s", p.file, p.line, name, instead, sentence))
		}
		for _, p := range prose[kind] {
			for _, sentence := range sentences(p.text) {
				n := countWords(sentence)
				words += n
				lower := strings.ToLower(sentence)
				for _, h := range habits {
					if n := h.count(sentence, lower); n > 0 {
						note(p, sentence, h.name, h.instead, n)
					}
				}
				if n > longSentence {
					note(p, sentence, "long sentence", "two sentences", 1)
				}
			}
		}
		if words < 1000 {
			t.Fatalf("found %d words of %s: the search is wrong", words, kind)
		}
		rate := 1000 * float64(found) / float64(words)
		t.Logf("%s: %.1f per 1,000 of %d words, at most %g: %s", kind, rate, words, mostHabits[kind], summary(counts))
		if rate > mostHabits[kind] {
			t.Errorf("%s: %.1f habits per 1,000 words, more than %g; -habits lists them", kind, rate, mostHabits[kind])
		}
		if *listHabits {
			t.Logf("%s:\n%s", kind, strings.Join(counted, "\n"))
		}
	}
}

// summary returns the counts, largest first.
func summary(counts map[string]int) string {
	var all []string
	for _, name := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Compare(counts[b], counts[a]) }) {
		all = append(all, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(all, ", ")
}

// countWords returns the number of matches of [A-Za-z][A-Za-z'-]* in the text.
func countWords(text string) int {
	words, inWord := 0, false
	for _, c := range []byte(text) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if letter && !inWord {
			words++
		}
		inWord = letter || inWord && (c == '\'' || c == '-')
	}
	return words
}

var (
	inlineCode  = regexp.MustCompile("`[^`]*`")
	linkedText  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	sentenceEnd = regexp.MustCompile(`[.!?][)"]?\s+[(A-Z\[]`)
)

// sentences splits a text, without its code and the targets of its links.
func sentences(text string) []string {
	text = linkedText.ReplaceAllString(inlineCode.ReplaceAllString(text, "X"), "$1")
	var found []string
	for {
		end := sentenceEnd.FindStringIndex(text)
		if end == nil {
			return append(found, text)
		}
		found = append(found, strings.TrimSpace(text[:end[1]-1]))
		text = text[end[1]-1:]
	}
}

// proseOf returns the prose of the repository by kind, with that of nested modules.
func proseOf(t *testing.T) map[string][]paragraph {
	t.Helper()
	made := func(dir string) bool { return path.Base(dir) == "dist" || path.Base(dir) == "testdata" }
	enter := func(dir string) bool { return !made(dir) }
	prose := map[string][]paragraph{"documents": descriptions(t, "api/openapi.json")}
	for _, file := range walk(t, enter, func(string) bool { return true }) {
		kind := "comments"
		if base := path.Base(file); strings.Contains(base, "_test.") || strings.Contains(base, ".test.") || strings.HasPrefix(base, "test_") {
			kind = "test comments"
		}
		switch path.Ext(file) {
		case ".md":
			prose["documents"] = append(prose["documents"], markdown(file, read(t, file))...)
		case ".go":
			comments, messages := goProse(t, file)
			prose[kind] = append(prose[kind], comments...)
			if kind == "comments" {
				prose["messages"] = append(prose["messages"], messages...)
			}
		case ".js", ".mjs", ".ts", ".tsx":
			prose[kind] = append(prose[kind], marked(file, read(t, file), "//", "* ")...)
		case ".py", ".sh":
			prose[kind] = append(prose[kind], marked(file, read(t, file), "#")...)
		}
	}
	return prose
}

var listItem = regexp.MustCompile(`^\s*(?:[-*>] |\d+\. )`)

// markdown returns the paragraphs, list items and table cells outside of code.
func markdown(file, text string) []paragraph {
	var found []paragraph
	var code, running bool
	for i, line := range strings.Split(text, "\n") {
		switch fence := strings.HasPrefix(strings.TrimSpace(line), "```"); {
		case fence:
			code, running = !code, false
		case code:
		case strings.TrimSpace(line) == "", strings.HasPrefix(line, "#"):
			running = false
		case strings.HasPrefix(line, "|"):
			for cell := range strings.SplitSeq(line, "|") {
				found = append(found, paragraph{file, i + 1, strings.TrimSpace(cell)})
			}
			running = false
		case running && !listItem.MatchString(line):
			found[len(found)-1].text += " " + strings.TrimSpace(line)
		default:
			found = append(found, paragraph{file, i + 1, listItem.ReplaceAllString(line, "")})
			running = true
		}
	}
	return found
}

// goProse returns the comments of a Go file, without code and directives, and its string literals
// that read like a sentence.
func goProse(t *testing.T, file string) (comments, messages []paragraph) {
	t.Helper()
	positions := token.NewFileSet()
	parsed, err := parser.ParseFile(positions, file, read(t, file), parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range parsed.Comments {
		var lines []string
		for line := range strings.SplitSeq(group.Text(), "\n") {
			if !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "nolint:") {
				lines = append(lines, line)
			}
		}
		comments = append(comments, paragraph{file, positions.Position(group.Pos()).Line, strings.Join(lines, " ")})
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err == nil && strings.Count(text, " ") >= 3 && countWords(text) >= 4 && !strings.ContainsAny(text, "{}<>") {
			messages = append(messages, paragraph{file, positions.Position(literal.Pos()).Line, text})
		}
		return true
	})
	return comments, messages
}

// marked returns the comments of a file: the lines that begin with one of the marks.
func marked(file, text string, marks ...string) []paragraph {
	var found []paragraph
	running := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "/*")
		at := slices.IndexFunc(marks, func(mark string) bool { return strings.HasPrefix(line, mark) })
		if at < 0 || strings.HasPrefix(line, "#!") {
			running = false
			continue
		}
		line = strings.TrimSpace(strings.TrimPrefix(line, marks[at]))
		if running {
			found[len(found)-1].text += " " + line
			continue
		}
		found = append(found, paragraph{file, i + 1, line})
		running = true
	}
	return found
}

// descriptions returns the descriptions and summaries of an OpenAPI document.
func descriptions(t *testing.T, file string) []paragraph {
	t.Helper()
	var document any
	if err := json.Unmarshal([]byte(read(t, file)), &document); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var found []paragraph
	var visit func(any)
	visit = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, item := range node {
				visit(item)
			}
		case map[string]any:
			for name, value := range node {
				if text, is := value.(string); is && (name == "description" || name == "summary") {
					found = append(found, paragraph{file, 0, text})
				}
				visit(value)
			}
		}
	}
	visit(document)
	return found
}
