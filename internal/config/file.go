package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/boreas-pubsub/boreas/internal/spelling"
	"github.com/boreas-pubsub/boreas/internal/textfile"
)

// The files that are looked for when none is named, the first first.
const (
	tomlName = "boreas.toml"
	confName = "boreas.conf"
)

// maxFile is the greatest size of a configuration file, in bytes.
const maxFile = 1 << 20

// maxTold is how many mistakes of a file are told: with more it is no configuration.
const maxTold = 20

// file reads the named file, or the one that is there.
func (l *loader) file(dir, path string) {
	named := path != ""
	if !named {
		switch hasTOML, hasConf := isFile(dir, tomlName), isFile(dir, confName); {
		case hasTOML && hasConf:
			l.config.Notes = append(l.config.Notes, "reading boreas.toml, not boreas.conf: both are here, and one is enough")
			path = tomlName
		case hasTOML:
			path = tomlName
		case hasConf:
			path = confName
		default:
			return
		}
	}
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(dir, path)
	}
	content, err := textfile.Read(full, maxFile)
	if err != nil {
		l.fail(&Error{Where: path, Message: "cannot read the configuration file: " + err.Error()})
		return
	}
	l.config.File = path
	l.base = filepath.Dir(full)
	l.read(path, string(content))
}

func isFile(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist) // with any other error, reading it will tell
}

// read takes the options from a file's content.
func (l *loader) read(path, content string) {
	src := newSource(path, content)
	var entries []entry
	var errs []*Error
	if strings.EqualFold(filepath.Ext(path), ".toml") {
		entries, errs = parseTOML(src, content)
	} else {
		entries, errs = parseConf(src)
	}
	before := len(l.errs)
	for _, err := range errs {
		l.fail(err)
	}
	seen := make(map[string]span)
	for _, e := range entries {
		l.entry(src, e, seen)
	}
	slices.SortStableFunc(l.errs[before:], func(a, b *Error) int { return cmp.Compare(a.line, b.line) })
	if more := len(l.errs) - before - maxTold; more > 0 {
		l.errs = append(l.errs[:before+maxTold], &Error{Where: path, Message: fmt.Sprintf("and %d more mistakes", more)})
	}
}

// entry takes one option from a file. Seen has the options that stood before.
func (l *loader) entry(src source, e entry, seen map[string]span) {
	o, ok := l.options[e.name]
	switch {
	case !ok:
		l.fail(src.errorf(e.nameAt, "there is no option %s%s", e.name, spelling.DidYouMean(e.name, l.names)))
		return
	case o.FlagOnly:
		l.fail(src.errorf(e.nameAt, "%s cannot be given in a file, only as --%s or %s", e.name, o.Flag(), o.Env()))
		return
	}
	if first, twice := seen[e.name]; twice {
		// Only boreas.conf gets here, and in Python the last assignment counts.
		l.config.Notes = append(l.config.Notes, fmt.Sprintf("%s: %s was given in line %d already; this one counts", src.at(e.nameAt), e.name, first.line))
	}
	seen[e.name] = e.nameAt
	if e.value.literal == none {
		return
	}
	blame := func(mistake error) *Error {
		at := e.valueAt
		var inRule *ruleError
		if errors.As(mistake, &inRule) {
			at = inRule.span(src, at)
		}
		err := src.errorf(at, "%s: %s", e.name, mistake)
		if o.secret {
			err.Excerpt = ""
		}
		return err
	}
	if l.set(o, e.value, src.at(e.nameAt), blame) {
		l.resolvePaths(o, blame)
	}
}
