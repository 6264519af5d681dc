package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/boreas-pubsub/boreas/v2/internal/spelling"
)

// An Option is one row of the table of options.
type Option struct {
	Name    string // as in a file: with underscores
	Usage   string // a sentence without its capital letter and full stop
	Group   string // the heading in the help
	Default string // in the form of the command line
	Zero    string // the meaning of the value 0, if it is special

	// FlagOnly means that the option cannot be set in a file.
	FlagOnly bool

	field    func(*Config) any  // pointer to the option's field; its type is the type of the option
	min, max int64              // limits of a number, bytes of a size, nanoseconds of a duration
	choices  []string           // the valid texts, if there are only a few
	form     string             // the form of a valid text, for messages
	check    func(string) error // a further check of a text
	paths    pathForm           // where a text contains file names
	secret   bool               // the text may contain a password
	hidden   bool               // a wrong text may be a secret, so errors never repeat it
	password bool               // the text is a secret, or names the file that contains it
	lines    bool               // the text may have several lines
}

// Flag returns the option's name on the command line, without the leading dashes.
func (o Option) Flag() string { return strings.ReplaceAll(o.Name, "_", "-") }

// EnvPrefix is the prefix of each environment variable.
const EnvPrefix = "BOREAS_"

// Env returns the name of the option's environment variable.
func (o Option) Env() string { return EnvPrefix + strings.ToUpper(o.Name) }

// Bool reports whether the option is true or false. Such a flag needs no value.
func (o Option) Bool() bool {
	_, ok := o.field(new(Config)).(*bool)
	return ok
}

// Placeholder returns the name of the option's value in the help, such as "TIME" or "SIZE".
func (o Option) Placeholder() string {
	switch o.field(new(Config)).(type) {
	case *time.Duration:
		return "TIME"
	case *int64:
		return "SIZE"
	case *int:
		return "N"
	case *[]Rule:
		return "RULES"
	case *string:
		if o.FlagOnly {
			return "PATH"
		}
		return strings.ToUpper(o.Name[strings.LastIndexByte(o.Name, '_')+1:])
	}
	return ""
}

// literal is the type in which a value was written.
type literal int

const (
	untyped literal = iota // command line and environment: the text can be of any type
	text
	integer
	float
	boolean
	none  // Python's None: as if the option were not set
	other // a type that no option accepts
)

// value is a value that was written for an option.
type value struct {
	text    string // the content of a text, the digits of an integer, otherwise as written
	literal literal
}

// wanted describes the valid values of o, for messages and documentation.
func (o Option) wanted() string {
	var w string
	switch o.field(new(Config)).(type) {
	case *bool:
		return "true or false"
	case *int:
		w = fmt.Sprintf("a whole number from %d to %d", o.min, o.max)
	case *int64:
		w = fmt.Sprintf("a size from %s to %s, such as 64KiB or 65536", formatSize(o.min), formatSize(o.max))
	case *time.Duration:
		w = fmt.Sprintf("a duration from %s to %s, such as 1m30s or 90",
			FormatDuration(time.Duration(o.min)), FormatDuration(time.Duration(o.max)))
	default:
		if len(o.choices) > 0 {
			return "one of " + strings.Join(o.choices, ", ")
		}
		return o.form
	}
	if o.Zero != "" {
		w += " (0 means " + o.Zero + ")"
	}
	return w
}

// set sets the option in c to v. The error says which values are valid and which value was given.
// If several rules are wrong, it joins several errors.
func (o Option) set(c *Config, v value) error {
	ok := false
	var hint error
	if _, rules := o.field(c).(*[]Rule); !rules && (v.literal == untyped || v.literal == text) { // rules are not trimmed, because their errors contain positions
		v.text = trimText(v.text)
	}
	switch field := o.field(c).(type) {
	case *bool:
		ok = setBool(field, v)
	case *int:
		ok = o.setInt(field, v)
	case *int64:
		ok = o.setSize(field, v)
	case *time.Duration:
		ok = o.setDuration(field, v)
	case *string:
		ok, hint = o.setText(field, v)
	case *[]Rule:
		if v.literal != text && v.literal != untyped {
			hint = errQuotes
			break
		}
		rules, err := parseRules(v.text)
		if err == nil {
			*field = rules
		}
		return err
	}
	if ok {
		return nil
	}
	got := v.text
	switch {
	case o.hidden, o.secret && strings.ContainsAny(v.text, "@?"):
		got = "the one given" // there may be a password anywhere in it
	case v.literal == text || v.literal == untyped:
		got = strconv.Quote(v.text)
	}
	if hint != nil {
		return fmt.Errorf("want %s, not %s: %w", o.wanted(), got, hint)
	}
	return fmt.Errorf("want %s, not %s", o.wanted(), got)
}

func setBool(field *bool, v value) bool {
	if v.literal != boolean && v.literal != untyped {
		return false
	}
	b, err := strconv.ParseBool(v.text)
	if err != nil {
		return false
	}
	*field = b
	return true
}

// within reports whether n is within the option's limits.
func (o Option) within(n int64) bool {
	return n >= o.min && n <= o.max || n == 0 && o.Zero != ""
}

func (o Option) setInt(field *int, v value) bool {
	if v.literal != integer && v.literal != untyped {
		return false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil || !o.within(n) {
		return false
	}
	*field = int(n)
	return true
}

func (o Option) setSize(field *int64, v value) bool {
	if v.literal != integer && v.literal != text && v.literal != untyped {
		return false
	}
	n, err := parseSize(v.text)
	if err != nil || !o.within(n) {
		return false
	}
	*field = n
	return true
}

func (o Option) setDuration(field *time.Duration, v value) bool {
	if v.literal == boolean || v.literal == other {
		return false
	}
	d, err := ParseDuration(v.text)
	if err != nil || !o.within(int64(d)) {
		return false
	}
	*field = d
	return true
}

var errQuotes = errors.New("put it in quotes")

func (o Option) setText(field *string, v value) (ok bool, hint error) {
	if v.literal != text && v.literal != untyped {
		return false, errQuotes
	}
	if !o.lines && strings.ContainsFunc(v.text, unicode.IsControl) {
		return false, errors.New("it has a line break or another control character")
	}
	if o.check != nil {
		if err := o.check(v.text); err != nil {
			return false, err
		}
	}
	if len(o.choices) > 0 && !slices.Contains(o.choices, v.text) {
		if nearest := spelling.Nearest(v.text, o.choices); nearest != "" {
			return false, fmt.Errorf("did you mean %s?", nearest)
		}
		return false, nil
	}
	*field = v.text
	return true, nil
}

// format returns the option's value in c, in the form of the command line. It may contain a secret.
func (o Option) format(c Config) string {
	switch field := o.field(&c).(type) {
	case *bool:
		return strconv.FormatBool(*field)
	case *int:
		return strconv.Itoa(*field)
	case *int64:
		return formatSize(*field)
	case *time.Duration:
		return FormatDuration(*field)
	case *string:
		return *field
	case *[]Rule:
		return formatRules(*field, "; ")
	}
	return ""
}
