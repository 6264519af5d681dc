package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/boreas-pubsub/boreas/v2/engine/disk"
	"github.com/boreas-pubsub/boreas/v2/internal/server"
)

func dataCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "data",
		Usage:     "check and repair the messages in a data directory",
		ArgsUsage: "check|repair|new-epoch",
		Description: "These commands work on the messages that a server keeps on disk, in the directory history of its\n" +
			"data_dir. The server must not run. Use them as the user that the server runs as.\n\n" +
			"Examples:\n" +
			"  boreas data check --data-dir=/var/lib/boreas\n" +
			"  boreas data repair --data-dir=/var/lib/boreas\n" +
			"  boreas data new-epoch --data-dir=/var/lib/boreas      after you have restored a backup",
		Commands: []*cli.Command{checkDataCommand(p), repairDataCommand(p), newEpochCommand(p)},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return unknownCommand(cmd, cmd.Args().First())
			}
			return usagef("say what to do: boreas data check, repair or new-epoch")
		},
	}
}

func dataDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "data-dir", TakesFile: true, Usage: "the `DIR` of a stopped server"}
}

func checkDataCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "read all messages, and report damage",
		Description: "Reads each byte, checks it against its checksum, and prints what it found. It changes nothing.\n" +
			"Exits with 1 if a place is damaged.",
		Flags: []cli.Flag{dataDirFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			report, err := p.readData(ctx, cmd, disk.Check)
			if err != nil {
				return err
			}
			if len(report.Damage) > 0 {
				return fmt.Errorf("%s: put a backup in the place of the directory, or run `boreas data repair --data-dir=%s`, "+
					"which drops %s and begins a new epoch", damaged(report), cmd.String("data-dir"), dropped(report))
			}
			return nil
		},
	}
}

func repairDataCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "repair",
		Usage: "drop damaged messages, so that the server starts again",
		Description: "Keeps the messages that are whole, drops the damaged ones and the earlier ones of the same channels,\n" +
			"and begins a new epoch: each client that resumes gets a gap, and then what is kept. Without damage it\n" +
			"changes nothing. It prints what it has dropped. It does not ask: make a copy of the directory first.\n" +
			"If it is interrupted, repeat it.",
		Flags: []cli.Flag{dataDirFlag()},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := refuseRootData(cmd); err != nil {
				return err
			}
			report, err := p.readData(ctx, cmd, disk.Repair)
			if err != nil {
				return err
			}
			if len(report.Damage) == 0 {
				p.note("nothing is damaged, and nothing was changed")
			} else {
				p.note("repaired: dropped %s; the epoch is new, so each client that resumes gets a gap", dropped(report))
			}
			return nil
		},
	}
}

func newEpochCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "new-epoch",
		Usage: "begin a new epoch, after you have restored a backup",
		Description: "Clients may have received messages that the backup does not have. Their positions would be given\n" +
			"to other messages, and the clients would miss these without a notice. In a new epoch, each client\n" +
			"that resumes gets a gap, and then what is kept. The messages stay.",
		Flags: []cli.Flag{dataDirFlag()},
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := refuseRootData(cmd); err != nil {
				return err
			}
			dir, err := historyDir(cmd)
			if err != nil {
				return err
			}
			epoch, err := disk.NewEpoch(dir)
			if err != nil {
				return dataError(dir, err)
			}
			_, err = fmt.Fprintf(p.stdout, "epoch  %s\n", epochText(epoch))
			return err
		},
	}
}

// readData checks or repairs the directory that the flag names, and prints the report.
func (p *program) readData(ctx context.Context, cmd *cli.Command, work func(context.Context, string, func(read, all int64)) (disk.Report, error)) (disk.Report, error) {
	dir, err := historyDir(cmd)
	if err != nil {
		return disk.Report{}, err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	report, err := work(ctx, dir, p.dataProgress())
	if err != nil {
		return report, dataError(dir, err)
	}
	return report, printData(p.stdout, dir, report)
}

// historyDir returns the directory of the messages in the directory that the flag names.
func historyDir(cmd *cli.Command) (string, error) {
	if err := takesNoArguments(cmd); err != nil {
		return "", err
	}
	dataDir := cmd.String("data-dir")
	if dataDir == "" {
		return "", usagef("name the data_dir of the server: %s --data-dir=DIR", cmd.FullName())
	}
	dir, err := filepath.Abs(filepath.Join(dataDir, server.HistoryDir))
	if err != nil {
		return "", err
	}
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return "", usagef("--data-dir=%s: it has no messages: there is no directory %s", dataDir, dir)
	case err != nil:
		return "", usagef("--data-dir=%s: %w", dataDir, err)
	case !info.IsDir():
		return "", usagef("--data-dir=%s: %s is not a directory", dataDir, dir)
	}
	return dir, nil
}

// refuseRootData is [refuseRoot] for the directory that the flag names.
func refuseRootData(cmd *cli.Command) error {
	dir := cmd.String("data-dir")
	info, err := os.Stat(dir)
	if err != nil {
		return nil // historyDir reports it
	}
	return refuseRoot(dir, info)
}

// dataError adds what to do to an error of the engine.
func dataError(dir string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.Is(err, disk.ErrInUse):
		return fmt.Errorf("%s is in use by another process: stop the server first", dir)
	case errors.As(err, new(*disk.DamageError)):
		return fmt.Errorf("%w: run `boreas data repair --data-dir=%s` first", err, filepath.Dir(dir))
	}
	return err
}

// dataProgressEvery is the time between two lines about the progress.
const dataProgressEvery = 2 * time.Second

// dataProgress returns a function that notes how much has been read, if it takes long.
func (p *program) dataProgress() func(read, all int64) {
	last := time.Now()
	return func(read, all int64) {
		if now := time.Now(); now.Sub(last) >= dataProgressEvery {
			last = now
			p.note("read %d of %d MiB", read>>20, all>>20)
		}
	}
}

// printData writes a report as a table.
func printData(w io.Writer, dir string, r disk.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("directory", "%s", printable(dir))
	row("epoch", "%s", epochText(r.Epoch))
	row("files", "%d, %d bytes", r.Segments, r.Bytes)
	row("messages", "%d in %d channels", r.Messages, r.Channels)
	if r.Cut > 0 {
		row("incomplete", "%d bytes of the last write, which was not acknowledged; this is not damage", r.Cut)
	}
	for _, d := range r.Damage {
		row("damage", "%s", printable(d.Error()))
	}
	if len(r.Damage) == 0 {
		row("damage", "none")
	}
	return t.Flush()
}

// damaged says how many places are damaged.
func damaged(r disk.Report) string {
	if len(r.Damage) == 1 {
		return "a place is damaged"
	}
	return fmt.Sprintf("%d places are damaged", len(r.Damage))
}

// dropped says how many messages a repair drops.
func dropped(r disk.Report) string {
	switch r.Dropped {
	case -1:
		return "an unknown number of messages"
	case 1:
		return "1 message"
	}
	return fmt.Sprintf("%d messages", r.Dropped)
}

// epochText returns an epoch as positions begin with it.
func epochText(epoch uint64) string {
	if epoch == 0 {
		return "none"
	}
	return strconv.FormatUint(epoch, 32)
}
