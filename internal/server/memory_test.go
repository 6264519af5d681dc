package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/boreas-pubsub/boreas/internal/config"
)

func TestMemoryLimit(t *testing.T) {
	const kib, gib = 1 << 10, 1 << 30
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is known": {nil, unknownMemory},
		"the machine's":    {map[string]string{"proc/meminfo": "MemTotal:       24671212 kB\nMemFree:        1 kB\n"}, 24671212 * kib},
		"a container's": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, gib},
		"a unit's slice": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "proc/self/cgroup": "1:name=x:/other\n0::/system.slice/boreas.service\n",
			"sys/fs/cgroup/system.slice/boreas.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "2147483648\n",
		}, 2 * gib},
		"an old container's": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
		}, gib},
		"an old one without a limit": {map[string]string{
			"proc/meminfo": "MemTotal:       24671212 kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 24671212 * kib},
		"no sense": {map[string]string{"proc/meminfo": "MemTotal: many kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "-1\n"}, unknownMemory},
	} {
		root := t.TempDir()
		for file, text := range test.files {
			file = filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := memoryLimit(root); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestChannelMemory(t *testing.T) {
	if got, all := channelMemory(config.Config{}), memoryLimit("/"); got != all/channelShare || all < 64<<20 {
		t.Errorf("of %d bytes of memory %d are for channels", all, got)
	}
	if got := channelMemory(config.Config{ChannelMemory: 7 << 20}); got != 7<<20 {
		t.Errorf("got %d, and the option says 7 MiB", got)
	}
}
