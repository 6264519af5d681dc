package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Print writes each option with its value and its source, without secrets.
func (c Config) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OPTION\tVALUE\tFROM")
	for _, o := range Options() {
		shown := o.shown(c)
		if shown == "" {
			shown = `""`
		}
		if rules, ok := o.field(&c).(*[]Rule); ok && len(*rules) > 0 {
			shown = formatRules(*rules, "\t"+c.Origin(o.Name)+"\n\t")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", o.Name, shown, c.Origin(o.Name))
	}
	return table.Flush()
}

// shown returns the option's value in c without secrets.
func (o Option) shown(c Config) string {
	if o.password && o.format(c) != "" && !strings.HasPrefix(o.format(c), fileScheme) {
		return redacted
	}
	if o.secret {
		return Redact(o.format(c))
	}
	return o.format(c)
}

// PrintTOML writes a boreas.toml with the current values and the meaning of each option. Options
// that have their default are commented out.
func (c Config) PrintTOML(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Options of the Boreas server. A line that begins with # shows a default.\n")
	b.WriteString("# Flags (--api-port=8001) and environment variables (BOREAS_API_PORT=8001)\n")
	b.WriteString("# override the values in this file.\n")
	group := ""
	for _, o := range Options() {
		if o.FlagOnly {
			continue
		}
		if o.Group != group {
			group = o.Group
			fmt.Fprintf(&b, "\n\n# %s\n", group)
		}
		fmt.Fprintf(&b, "\n# %s%s.\n", strings.ToUpper(o.Usage[:1]), o.Usage[1:])
		fmt.Fprintf(&b, "# It takes %s.\n", o.wanted())
		shown := o.shown(c)
		if c.Given(o.Name) && shown == o.format(c) {
			// The printed file may be saved in another directory.
			if text, err := o.resolve(shown, ""); err == nil {
				shown = text
			}
		}
		switch {
		case o.shown(c) != o.format(c):
			fmt.Fprintf(&b, "# Insert the real value: the secret part is omitted here.\n# ")
		case !c.Given(o.Name):
			b.WriteString("# ")
		}
		fmt.Fprintf(&b, "%s = %s\n", o.Name, o.toml(c, shown))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// toml returns a value in TOML syntax.
func (o Option) toml(c Config, shown string) string {
	switch field := o.field(&c).(type) {
	case *bool, *int:
		return shown
	case *int64:
		if _, err := strconv.ParseInt(shown, 10, 64); err == nil {
			return shown
		}
	case *time.Duration:
		if *field == 0 {
			return "0"
		}
	case *[]Rule:
		// One rule per line, if the text needs no escapes.
		lines := formatRules(*field, "\n")
		if len(*field) > 1 && !strings.Contains(lines, "''") {
			return "'''\n" + lines + "\n'''"
		}
	}
	return tomlString(shown)
}

// tomlString quotes a text for TOML. It avoids escapes if possible, because they make paths and JSON
// hard to read.
func tomlString(s string) string {
	control := strings.ContainsFunc(s, unicode.IsControl)
	switch {
	case !control && !strings.ContainsAny(s, `"\`):
		return `"` + s + `"`
	case !control && !strings.Contains(s, "'"):
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ShownDefault returns the default for the help, with the meaning of a 0.
func (o Option) ShownDefault() string {
	if o.Zero != "" && (o.Default == "0" || o.Default == "0s") {
		return "0: " + o.Zero
	}
	return o.Default
}

// Wanted describes the valid values: "a whole number from 1 to 1024 (0 means one a processor)".
func (o Option) Wanted() string { return o.wanted() }
