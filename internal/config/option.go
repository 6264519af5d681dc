package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// An Option is one row of the table of options.
type Option struct {
	Name    string // as in a file: with underscores
	Usage   string // a sentence without its capital and full stop
	Group   string // the heading under which help shows it
	Default string // as it would be given on the command line
	Zero    string // what a value of 0 means, if it means something special

	// FlagOnly is set for what cannot stand in a file.
	FlagOnly bool

	field    func(*Config) any  // pointer to where the value goes; its type says what the option takes
	min, max int64              // of a number, bytes of a size, nanoseconds of a duration
	choices  []string           // of a text, if it is one of a few
	form     string             // what a text has to be, for messages
	check    func(string) error // further rule of a text
	paths    pathForm           // positions of file names in a text
	secret   bool               // its text may hold a password
	hidden   bool               // a wrong text may be a secret: it is never repeated
	lines    bool               // a text that may have several lines
}

// Flag is the option's name on the command line, without the leading dashes.
func (o Option) Flag() string { return strings.ReplaceAll(o.Name, "_", "-") }

// EnvPrefix is what the name of each environment variable begins with.
const EnvPrefix = "BOREAS_"

// Env is the option's environment variable.
func (o Option) Env() string { return EnvPrefix + strings.ToUpper(o.Name) }

// Bool reports whether the option is true or false; such a flag may stand alone.
func (o Option) Bool() bool {
	_, ok := o.field(new(Config)).(*bool)
	return ok
}

// Placeholder stands for the option's value in help: "TIME", "SIZE".
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

// literal says how a value was written.
type literal int

const (
	untyped literal = iota // command line and environment: text may mean anything
	text
	integer
	float
	boolean
	none  // Python's None: as if it were not given
	other // something that no option takes
)

// value is what was written for an option.
type value struct {
	text    string // what a text stands for, the digits of an integer, otherwise as written
	literal literal
}

// wanted says what o takes, for messages and documentation.
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

// set puts v into c. The error says what was wanted and what was there. It joins
// several, if rules have several mistakes.
func (o Option) set(c *Config, v value) error {
	ok := false
	var hint error
	if _, rules := o.field(c).(*[]Rule); !rules && (v.literal == untyped || v.literal == text) { // errors in a rule contain their position
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
		got = "the one given" // there may be a password in it, and who knows where
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

// within reports whether n is in the option's bounds.
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
		return false, errors.New("it holds a line break or another control character")
	}
	if len(o.choices) > 0 && !slices.Contains(o.choices, v.text) {
		return false, nil
	}
	if o.check != nil {
		if err := o.check(v.text); err != nil {
			return false, err
		}
	}
	*field = v.text
	return true, nil
}

// format gives the option's value in c as it would be given on the command line.
// It may hold a secret.
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
