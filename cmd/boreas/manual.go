package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
)

// manualCommand prints the manual page boreas(1). Releases contain its output. It is not listed,
// because an installed program has the page already.
func manualCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:   "manual",
		Usage:  "print the manual page boreas(1)",
		Hidden: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "date", Usage: "the `DATE` of the page, such as 2027-01-31", Value: "1970-01-01"},
		},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return usagef("%s takes no arguments, and %q is an argument", cmd.FullName(), cmd.Args().First())
			}
			date, err := time.Parse(time.DateOnly, cmd.String("date"))
			if err != nil {
				return usagef("--date: want a date such as 2027-01-31, not %q", cmd.String("date"))
			}
			_, err = io.WriteString(p.stdout, manual(cmd.Root(), date))
			return err
		},
	}
}

// manual returns the manual page of root, in the macros of man(7).
func manual(root *cli.Command, date time.Time) string {
	m := &page{}
	m.line(fmt.Sprintf(`.TH BOREAS 1 %s "Boreas %s" "User Commands"`, date.Format(time.DateOnly), roff(thisVersion())))
	m.macro("SH", "NAME")
	m.line(root.Name + ` \- ` + roff(root.Usage))
	m.macro("SH", "SYNOPSIS")
	m.line(`.B boreas` + "\n[flags]")
	m.line(".br\n" + `.B boreas` + "\nCOMMAND [flags]")
	m.macro("SH", "DESCRIPTION")
	m.text(manualDescription)
	m.macro("SH", "COMMANDS")
	for _, c := range root.VisibleCommands() {
		m.command(c)
	}
	m.macro("SH", "OPTIONS OF THE SERVER")
	m.text("Each option is a flag, an environment variable and a line of boreas.toml. Defaults are in parentheses.")
	group := ""
	for _, o := range config.Options() {
		if o.Group != group {
			group = o.Group
			m.macro("SS", group)
		}
		shown := o.Usage
		if o.Default != "" {
			shown += " (" + o.ShownDefault() + ")"
		}
		m.item("--"+o.Flag(), o.Placeholder(), shown)
	}
	for _, s := range manualSections {
		m.macro("SH", s.title)
		for _, i := range s.items {
			m.item(i[0], "", i[1])
		}
	}
	m.macro("SH", "SEE ALSO")
	m.text("https://github.com/boreas-pubsub/boreas has the documents.")
	return m.String()
}

const manualDescription = `Boreas is a real-time pub/sub server. Backends publish JSON over HTTP, and browsers and devices receive it over WebSocket or server-sent events. Without a command, boreas runs the server: its API listens on 127.0.0.1:8001, and subscribers connect to 127.0.0.1:8002. With --help, boreas and each command print their help.`

var manualSections = []struct {
	title string
	items [][2]string
}{
	{"ENVIRONMENT", [][2]string{
		{"BOREAS_OPTION", "the value of an option, such as BOREAS_API_PORT=9001. Flags override it, and it overrides the file."},
		{envAPI, "the URL of the server's API, for commands"},
		{envKey, "the key for the API, for commands"},
		{envWS, "the URL of the port for subscribers, for commands"},
		{envToken, "the token of a subscriber, for commands"},
	}},
	{"FILES", [][2]string{
		{"boreas.toml", "options of the server, in its working directory unless --config names another file"},
		{"/etc/boreas/boreas.toml", "options of the server that a package has installed"},
		{"/var/lib/boreas", "messages, tokens and keys of the server that a package has installed"},
	}},
	{"SIGNALS", [][2]string{
		{"SIGTERM, SIGINT", "shut down: end the sessions within drain_time. A second signal ends the process at once."},
		{"SIGHUP", "read the configuration file again, and change the options that can change while the server runs. The log says which options need a restart."},
	}},
	{"EXIT STATUS", [][2]string{
		{"0", "success"},
		{"1", "the command failed"},
		{"2", "the command line or the configuration is wrong"},
	}},
}

// pageWidth is the length of a line in the source of the page.
const pageWidth = 78

// A page is a manual page under construction.
type page struct{ strings.Builder }

func (m *page) line(text string) { m.WriteString(text + "\n") }

func (m *page) macro(name string, args ...string) {
	m.WriteString("." + name)
	for _, a := range args {
		m.WriteString(` "` + strings.ReplaceAll(roff(a), `"`, `\(dq`) + `"`)
	}
	m.WriteByte('\n')
}

// text writes a paragraph. Each sentence begins on a line of its own, and long lines are wrapped.
func (m *page) text(text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		word = roff(word)
		if line != "" && (len(line)+1+len(word) > pageWidth || strings.HasSuffix(line, ".")) {
			m.line(line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	m.line(line)
}

// item writes a term with its explanation. value is the name of the value of a flag.
func (m *page) item(term, value, explanation string) {
	m.line(".TP")
	if value == "" {
		m.line(`\fB` + roff(term) + `\fR`)
	} else {
		m.line(`\fB` + roff(term) + `\fR \fI` + roff(value) + `\fR`)
	}
	m.text(explanation)
}

// command writes the section of c, and those of its subcommands.
func (m *page) command(c *cli.Command) {
	heading := c.FullName()
	if c.ArgsUsage != "" {
		heading += " " + c.ArgsUsage
	}
	m.macro("SS", heading)
	m.text(sentence(c.Usage))
	if c.Description != "" {
		m.line(".PP\n.nf")
		for line := range strings.Lines(strings.TrimRight(c.Description, "\n")) {
			m.line(roff(strings.TrimRight(line, "\n")))
		}
		m.line(".fi")
	}
	for _, f := range c.VisibleFlags() {
		if f.Names()[0] == "help" {
			continue // every command has it
		}
		if generic, ok := f.(*cli.GenericFlag); ok {
			if _, option := generic.Value.(*optionText); option {
				continue // in the list of all options
			}
		}
		names, usage, _ := strings.Cut(f.String(), "\t")
		m.item(names, "", strings.TrimSpace(usage))
	}
	for _, sub := range c.VisibleCommands() {
		m.command(sub)
	}
}

// sentence returns the usage of a command as a sentence.
func sentence(usage string) string {
	if usage == "" {
		return ""
	}
	return strings.ToUpper(usage[:1]) + usage[1:] + "."
}

// roff escapes text. A dot or an apostrophe at the beginning of a line would be a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
