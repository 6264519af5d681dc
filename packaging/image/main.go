// Image builds the container image of Boreas as an OCI layout, without a container engine:
//
//	SOURCE_DATE_EPOCH=1793600000 go run . --version=2.0.0 --revision=0123abc --out=../../dist/image \
//	    linux/amd64=../../dist/boreas-linux-amd64 linux/arm64=../../dist/boreas-linux-arm64
//
// The same binaries and arguments always give the same bytes: the times in the image are
// SOURCE_DATE_EPOCH, and nothing comes from the machine that builds it. The folder is one image for
// all given platforms. Tools such as crane and skopeo copy it to a registry.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	var o options
	out := flags.String("out", "", "write the layout to this `folder`, which must not exist")
	flags.StringVar(&o.version, "version", "", "the `version` of the program, such as 2.0.0")
	flags.StringVar(&o.revision, "revision", "", "the commit that the program was built from")
	flags.Parse(args) //nolint:errcheck // it exits
	if *out == "" || o.version == "" || o.revision == "" {
		return errors.New("give --out, --version and --revision")
	}
	var err error
	if o.created, err = epoch(os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("give a program for each platform, as linux/amd64=FILE")
	}
	for _, arg := range flags.Args() {
		platform, file, ok := strings.Cut(arg, "=")
		system, architecture, ok2 := strings.Cut(platform, "/")
		if !ok || !ok2 || system != "linux" || architecture == "" || file == "" {
			return fmt.Errorf("%s is not a program: give it as linux/ARCHITECTURE=FILE", arg)
		}
		o.programs = append(o.programs, program{architecture, file})
	}
	return write(*out, o)
}

// epoch returns the time in SOURCE_DATE_EPOCH.
func epoch(text string) (time.Time, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q: give the time of the commit, in seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
