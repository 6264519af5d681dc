// Command boreas is the Boreas pub/sub server with its tools. Without arguments it runs the server;
// `boreas --help` lists the commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/internal/server"
	"github.com/boreas-pubsub/boreas/v2/internal/systemd"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the command failed
	exitUsage  = 2 // the command line or the configuration is wrong
)

func main() {
	catchBrokenPipes()
	cli.HelpPrinter = printHelp
	out := &pipe{Writer: os.Stdout}
	err := run(context.Background(), os.Args, os.Environ(), os.Stdin, out, os.Stderr)
	if errors.Is(err, errBrokenPipe) {
		endByBrokenPipe()
	}
	os.Exit(exitCode(err))
}

// program is the environment of a subcommand. Subcommands do not use package os, so that tests can
// run them with their own environment.
type program struct {
	env    []string // in the form of os.Environ
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	journal bool // stderr is a connection to the journal

	noting sync.Mutex // held while a note is written to stderr
	// fail reports an error that ends the program.
	fail func(error)

	// flush writes the buffered output to stdout and stderr, within the given time.
	flush func(limit time.Duration)
}

// commands lists the subcommands in the order in which help shows them.
func commands(p *program) []*cli.Command {
	return []*cli.Command{
		serveCommand(p),
		configCommand(p),
		keyCommand(p),
		tokenCommand(p),
		revokeCommand(p),
		publishCommand(p),
		subscribeCommand(p),
		explainCommand(p),
		traceCommand(p),
		purgeCommand(p),
		tailCommand(p),
		topCommand(p),
		doctorCommand(p),
		dataCommand(p),
		clusterCommand(p),
		migrateCommand(p),
		benchCommand(p),
		versionCommand(p),
		licensesCommand(p),
		manualCommand(p),
		helpCommand(p),
	}
}

// run is the whole program. The returned error was already reported on stderr.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) error {
	p := &program{env: env, stdin: stdin, stdout: stdout, stderr: stderr, flush: func(time.Duration) {}}
	p.fail = func(err error) { fmt.Fprintf(p.stderr, "boreas: %v\n", err) }
	if f, ok := stderr.(*os.File); ok && systemd.IsJournal(env, f) {
		p.journal = true
		p.fail = func(err error) { // each line is an entry of its own
			fmt.Fprintf(p.stderr, server.JournalError+"boreas: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n"+server.JournalError))
		}
	}
	err := rootCommand(p).Run(ctx, args)
	if out, ok := p.stdout.(*pipe); ok && out.broken.Load() {
		return errBrokenPipe // the error cannot be reported
	}
	for _, e := range each(err) {
		p.fail(e)
	}
	if errors.Is(err, errSecondSignal) {
		p.flush(flushAtOnce)
	} else {
		p.flush(flushLimit)
	}
	if advice := keyAdvice(err); advice != "" {
		fmt.Fprintf(stderr, "boreas: %s\n", advice)
	}
	return err
}

// each splits the errors of a configuration, because there can be several.
func each(err error) []error {
	var usage usageError
	if errors.As(err, &usage) {
		if joined, ok := usage.err.(interface{ Unwrap() []error }); ok {
			return joined.Unwrap()
		}
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// usageError is an error in the command line or the configuration. Nothing was tried yet.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// usagef returns a usageError, with which the program exits with exitUsage.
func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(usageError)):
		return exitUsage
	default:
		return exitFailed
	}
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM. A second signal ends
// the process, as without a handler.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
