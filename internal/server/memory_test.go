package server

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
	"github.com/boreas-pubsub/boreas/v2/internal/testlog"
)

func TestMemoryLimit(t *testing.T) {
	const kib, gib = 1 << 10, 1 << 30
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"unknown": {nil, unknownMemory},
		"machine": {map[string]string{"proc/meminfo": "MemTotal:       24671212 kB\nMemFree:        1 kB\n"}, 24671212 * kib},
		"container": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, gib},
		"slice of a unit": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "proc/self/cgroup": "1:name=x:/other\n0::/system.slice/boreas.service\n",
			"sys/fs/cgroup/system.slice/boreas.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "2147483648\n",
		}, 2 * gib},
		"old container": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
		}, gib},
		"old container without a limit": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 24671212 * kib},
		"old unit": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "proc/self/cgroup": "9:cpu:/system.slice\n5:memory,x:/system.slice/boreas.service\n",
			"sys/fs/cgroup/memory/system.slice/boreas.service/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/memory/system.slice/memory.limit_in_bytes": "2147483648\n",
		}, gib},
		"invalid files": {map[string]string{"proc/meminfo": "MemTotal: many kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "-1\n"}, unknownMemory},
	} {
		root := fileSystem(t, test.files)
		if got := memoryLimit(root); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// fileSystem makes files below a new directory, which it returns.
func fileSystem(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for file, text := range files {
		file = filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestLimitMemory: the limit of a control group becomes Go's limit, unless the operator sets one.
func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const gib = 1 << 30
	machine := map[string]string{"proc/meminfo": "MemTotal: 24671212 kB\n"}
	group := map[string]string{"proc/meminfo": "MemTotal: 24671212 kB\n", "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "107374182400000\n"}
	small := map[string]string{"proc/meminfo": "MemTotal: 24671212 kB\n", "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "10000000000\n"}
	for name, test := range map[string]struct {
		files map[string]string
		given string
		want  int64
		log   string
	}{
		"no group":       {machine, "", 3 * gib, ""},
		"a larger group": {group, "", 3 * gib, ""},
		"a group":        {small, "", 9_000_000_000, `msg="the memory limit is 90% of that of the control group; GOMEMLIMIT sets another" limit=9000000000 group=10000000000`},
		"the operator":   {small, "3GiB", 3 * gib, `msg="GOMEMLIMIT sets the memory limit" limit=3221225472`},
	} {
		debug.SetMemoryLimit(3 * gib)
		log, told := testlog.New()
		limitMemory(log, fileSystem(t, test.files), test.given)
		if got := debug.SetMemoryLimit(-1); got != test.want {
			t.Errorf("%s: the limit is %d, want %d", name, got, test.want)
		}
		if got := told.String(); (test.log == "") != (got == "") || !strings.Contains(got, test.log) {
			t.Errorf("%s: log %q", name, got)
		}
	}
}

func TestChannelMemory(t *testing.T) {
	if got, all := channelMemory(config.Config{}), memoryLimit("/"); got != all/channelShare || all < 64<<20 {
		t.Errorf("channels may take %[2]d of %[1]d bytes", all, got)
	}
	if got := channelMemory(config.Config{ChannelMemory: 7 << 20}); got != 7<<20 {
		t.Errorf("got %d, want the option's 7 MiB", got)
	}
}
