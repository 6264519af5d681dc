package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

// version is set by release builds: -ldflags "-X main.version=v2.0.0".
var version string

func versionCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.Args().Present() {
				return usagef("%s takes no arguments, and %q is an argument", cmd.FullName(), cmd.Args().First())
			}
			return p.version()
		},
	}
}

// versionFlag is for users who try --version before `boreas version`.
func versionFlag() cli.Flag {
	return &cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version", Local: true}
}

func (p *program) version() error {
	_, err := fmt.Fprintf(p.stdout, "boreas %s (%s, %s/%s)\n", thisVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// thisVersion returns the version of this program.
func thisVersion() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(version, info)
}

// versionOf returns the version that was set at build time. Otherwise it returns the module's
// version or the commit, from the build info.
func versionOf(given string, info *debug.BuildInfo) string {
	if given != "" {
		return given
	}
	if info == nil {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			revision = setting.Value
		case "vcs.modified":
			if setting.Value == "true" {
				modified = ", changed since"
			}
		}
	}
	if revision == "" {
		return "development build"
	}
	return "development build of " + revision[:min(12, len(revision))] + modified
}
