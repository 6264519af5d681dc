package realclients

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// needed are the programs that the tests run, besides the go command.
var needed = []string{"curl", "wsdump", "node", "python3", "nginx", "chromium"}

// modules are the npm packages that setup installs, and a library for Python.
var modules = []string{
	"node_modules/ws/package.json",
	"node_modules/eventsource/package.json",
	"node_modules/playwright-core/package.json",
	"node_modules/axe-core/package.json",
	"/usr/lib/python3/dist-packages/websockets/__init__.py",
	"../../js/node_modules/ws/package.json",
	"../../js/node_modules/typescript/package.json",
}

// binaries is the folder of the programs that build builds.
var binaries string

// build builds the server and the examples, once for all tests.
var build = sync.OnceValue(func() error {
	build := exec.Command("go", "build", "-o", binaries, "./cmd/boreas", "./examples/chatroom", "./examples/livefeed")
	build.Dir = "../.."
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
})

func TestMain(m *testing.M) {
	// The server is built as its users build it, without cgo: under the race detector the log and the
	// banner come in another order than on the pages.
	os.Unsetenv("GOFLAGS")
	os.Setenv("CGO_ENABLED", "0")
	flag.Parse()
	if lacks := missing(); len(lacks) > 0 {
		fmt.Printf("realclients: missing: %s; `make setup` installs them\n", strings.Join(lacks, ", "))
		if os.Getenv("TEST_REAL_CLIENTS") != "" {
			os.Exit(1)
		}
		fmt.Println("realclients: left out")
		if err := flag.Set("test.run", "^$"); err != nil {
			panic(err)
		}
	}
	var err error
	if binaries, err = os.MkdirTemp("", "boreas"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(exitCode int) {
		os.RemoveAll(binaries)
		os.Exit(exitCode)
	}))
}

func missing() []string {
	var lacks []string
	for _, program := range needed {
		if _, err := exec.LookPath(program); err != nil {
			lacks = append(lacks, program)
		}
	}
	for _, module := range modules {
		if _, err := os.Stat(module); err != nil {
			lacks = append(lacks, module)
		}
	}
	return lacks
}
