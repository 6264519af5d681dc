package attack

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// tableFile is the file to which the table of attacks and their outcomes is written, as Markdown,
// for documents that quote it. Go's test flags stand before -args, this one after it.
var tableFile = flag.String("table", "", "write the attacks and their outcomes to this `file`")

func TestMain(m *testing.M) {
	if runtime.GOOS != "linux" {
		// On other systems only 127.0.0.1 is local, and one address is not a crowd.
		fmt.Println("skipped: attacks from many addresses need all of 127.0.0.0/8")
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
