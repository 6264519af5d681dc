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

	"github.com/boreas-pubsub/boreas/v2/internal/spelling"
	"github.com/boreas-pubsub/boreas/v2/internal/textfile"
)

// The files to look for if none is named, in this order.
const (
	tomlName = "boreas.toml"
	confName = "boreas.conf"
)

// maxFile is the maximal size of a configuration file in bytes.
const maxFile = 1 << 20

// maxTold is how many errors in one file are reported. A file with more is not a configuration.
const maxReported = 20

// file reads the named file, or the default file that exists.
func (l *loader) file(dir, path string) {
	named := path != ""
	if !named {
		switch hasTOML, hasConf := isFile(dir, tomlName), isFile(dir, confName); {
		case hasTOML && hasConf:
			l.config.Notes = append(l.config.Notes, "boreas.toml is read and boreas.conf is ignored: both files exist, and one is enough")
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
	return !errors.Is(err, fs.ErrNotExist) // other errors are reported when the file is read
}

// read sets the options from the content of a file.
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
	if more := len(l.errs) - before - maxReported; more > 0 {
		l.errs = append(l.errs[:before+maxReported], &Error{Where: path, Message: fmt.Sprintf("and %d more mistakes", more)})
	}
}

// entry sets one option from a file. seen has the earlier options of the file.
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
		// This happens only in boreas.conf, because TOML forbids it. In Python the last assignment
		// counts.
		l.config.Notes = append(l.config.Notes, fmt.Sprintf("%s: %s was already set in line %d; the last value counts", src.at(e.nameAt), e.name, first.line))
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
