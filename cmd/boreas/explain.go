package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/client"
	"github.com/boreas-pubsub/boreas/v2/internal/doctor"
)

func explainCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "show what was refused to a client, and why",
		ArgsUsage: "SESSION|TOKEN-ID|ADDRESS|USER",
		Description: "Prints the server's recent refusals, newest first: when, what, why, and what to do.\n" +
			"The argument is the name of a session (s_...), the ID of a token or key (tok_..., jwt_...,\n" +
			"ext_..., key_...), an IP address, or the name of a user.\n" +
			"The server keeps the last 4,096 refusals in memory, without the requests of boreas doctor.\n" +
			"Each node of a cluster keeps its own, so ask them all.\n\n" +
			"Examples:\n" +
			"  boreas explain u1\n" +
			"  boreas explain 203.0.113.7\n" +
			"  boreas explain --json tok_2nJ5uWqYk0Rb8xZc",
		Flags: []cli.Flag{
			apiFlag(), keyFileFlag(),
			&cli.IntFlag{Name: "limit", Usage: "print at most `N` refusals", Value: 20},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: p.explain,
	}
}

func (p *program) explain(ctx context.Context, cmd *cli.Command) error {
	about := cmd.Args().First()
	switch {
	case cmd.Args().Len() != 1 || about == "":
		return usagef("give one argument: %s SESSION, TOKEN-ID, ADDRESS or USER", cmd.FullName())
	case isSecret(about):
		return usagef("this is the secret token or key itself, and others can see it now: give its ID, which `boreas token inspect -` prints")
	case cmd.Int("limit") < 1 || cmd.Int("limit") > 1000:
		return usagef("--limit must be from 1 to 1000")
	}
	c, err := p.apiClient(cmd)
	if err != nil {
		return err
	}
	defer c.Close()
	what, filter := subjectOf(about)
	filter.Limit = cmd.Int("limit")
	var live *client.SessionInfo
	if filter.Session != "" {
		if live, err = liveSession(ctx, c, about); err != nil {
			return err
		}
	}
	refusals, err := c.Refusals(ctx, filter)
	if err != nil {
		return needsNewer(err)
	}
	refusals = slices.DeleteFunc(refusals, func(r client.Refusal) bool {
		return r.Channel == doctor.Channel || strings.HasPrefix(r.Channel, doctor.Channel+".")
	})
	if cmd.Bool("json") {
		return p.printJSON(struct {
			Session  *client.SessionInfo `json:"session,omitempty"`
			Refusals []client.Refusal    `json:"refusals"`
		}{live, refusals})
	}
	return printRefusals(p.stdout, what, filter.Session != "", live, refusals)
}

// subjectOf returns what a name stands for, by its form, and the filter for its refusals.
func subjectOf(name string) (what string, f client.RefusalFilter) {
	kind, _, _ := strings.Cut(name, "_")
	address, err := netip.ParseAddr(name)
	switch {
	case err == nil:
		return "address " + address.Unmap().String(), client.RefusalFilter{Address: address.Unmap().String()}
	case kind == "s":
		return "session " + name, client.RefusalFilter{Session: name}
	case kind == "tok" || kind == "jwt" || kind == "ext":
		return "token " + name, client.RefusalFilter{Token: name}
	case kind == "key":
		return "key " + name, client.RefusalFilter{Token: name}
	default:
		return fmt.Sprintf("user %q", name), client.RefusalFilter{User: name}
	}
}

// liveSession returns the session, or nil if it has ended.
func liveSession(ctx context.Context, c *client.Client, name string) (*client.SessionInfo, error) {
	info, err := c.Session(ctx, name)
	var refusal *client.Error
	switch {
	case errors.As(err, &refusal) && refusal.Code == client.CodeNoSession:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &info, nil
}

// printRefusals prints refusals as text. Some of it was chosen by clients.
func printRefusals(w io.Writer, what string, isSession bool, live *client.SessionInfo, refusals []client.Refusal) error {
	var b strings.Builder
	switch {
	case live != nil:
		fmt.Fprintf(&b, "%s: connected by %s since %s%s, on %s%s\n", what, live.Transport, shownTime(live.Since, "?"),
			detail(", from ", live.Address)+detail(", user ", live.User)+named(live.Token), channelCount(live.Joined), detail(": ", strings.Join(live.Channels, " ")))
	case isSession:
		fmt.Fprintf(&b, "%s: there is no such session, or it has ended\n", what)
	}
	if len(refusals) == 0 {
		fmt.Fprintf(&b, "%s: the server remembers no refusals; in a cluster, ask each node\n", what)
	}
	for i := range refusals {
		if i > 0 || b.Len() > 0 {
			b.WriteString("\n")
		}
		printRefusal(&b, &refusals[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printRefusal(b *strings.Builder, r *client.Refusal) {
	fmt.Fprintf(b, "%s%s: %s", shownTime(r.Time, "?"), times(r.Count), printable(r.Verb))
	if r.Channel != "" {
		fmt.Fprintf(b, " %q", r.Channel)
	}
	b.WriteString(" was refused" + detail(" over ", r.Transport) + "\n")
	fmt.Fprintf(b, "  %s (%s)\n", printable(r.Message), r.Code)
	if do := advice(r); do != "" {
		fmt.Fprintf(b, "  To do: %s\n", do)
	}
	switch {
	case r.Channel != "" && r.Rule != "":
		fmt.Fprintf(b, "  The channel's rule: %s\n", printable(r.Rule))
	case r.Channel != "":
		b.WriteString("  The channel has no rule: no pattern in the server's option rules matches it\n")
	}
	who := detail(", from ", r.Address) + detail(", user ", r.User) + named(r.Token) + detail(", session ", r.Session)
	if who != "" {
		fmt.Fprintf(b, "  It was%s\n", strings.TrimPrefix(who, ","))
	}
}

// named returns the ID of a token or key, as a part of a sentence.
func named(id string) string {
	if strings.HasPrefix(id, "key_") {
		return detail(", key ", id)
	}
	return detail(", token ", id)
}

func channelCount(n int) string {
	if n == 1 {
		return "1 channel"
	}
	return fmt.Sprintf("%d channels", n)
}

// times returns how often a refusal occurred in a row; "" for once.
func times(n int) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(", %d times, last at that time", n)
}

// detail returns a part of a sentence, or "" if the text is empty.
func detail(before, text string) string {
	if text == "" {
		return ""
	}
	return before + printable(text)
}
