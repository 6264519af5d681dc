package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// A pathForm says where an option's text contains file names.
type pathForm int

const (
	noPath   pathForm = iota
	wholly            // the whole text is the name of a file or directory
	provider          // after file:
	keyList           // after file:, hs256: and so on, in a list separated by blanks
)

// fileScheme stands before the name of a file in a text that may also have another form.
const fileScheme = "file:"

// errBlank is returned if a name with a blank would be in a list whose names end at a blank.
var errBlank = errors.New("the directory of the configuration file has a blank in its name, and blanks separate the names in this list: move the keys to another directory, and give absolute names")

// resolve returns the option's text with absolute file names. Relative names are resolved
// against the directory base.
func (o Option) resolve(text, base string) (string, error) {
	switch o.paths {
	case wholly:
		return absolute(text, base), nil
	case provider:
		if name, ok := strings.CutPrefix(text, fileScheme); ok {
			return fileScheme + absolute(name, base), nil
		}
	case keyList:
		list := strings.FieldsFunc(text, isListSpace)
		for i, key := range list {
			kind, name, _ := strings.Cut(key, ":")
			if kind == "http" || kind == "https" || filepath.IsAbs(name) {
				continue
			}
			full := absolute(name, base)
			if strings.ContainsFunc(full, isListSpace) {
				var err error
				if full, err = fromHere(full); err != nil {
					return "", err
				}
			}
			list[i] = kind + ":" + full
		}
		return strings.Join(list, " "), nil
	}
	return text, nil
}

func absolute(name, base string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	full, err := filepath.Abs(filepath.Join(base, name))
	if err != nil { // there is no working directory
		return filepath.Join(base, name)
	}
	return full
}

// fromHere returns a name relative to the working directory, if the result has no blank.
func fromHere(full string) (string, error) {
	here, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	name, err := filepath.Rel(here, full)
	if err != nil || strings.ContainsFunc(name, isListSpace) {
		return "", errBlank
	}
	return name, nil
}

// resolvePaths makes the file names in an option of a configuration file absolute. They are
// relative to that file.
func (l *loader) resolvePaths(o Option, blame func(error) *Error) {
	field, ok := o.field(&l.config).(*string)
	if !ok || o.paths == noPath {
		return
	}
	text, err := o.resolve(*field, l.base)
	if err != nil {
		l.fail(blame(err))
		return
	}
	*field = text
}
