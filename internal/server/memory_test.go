package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/boreas-pubsub/boreas/v2/internal/config"
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
		"invalid files": {map[string]string{"proc/meminfo": "MemTotal: many kB\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "-1\n"}, unknownMemory},
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
		t.Errorf("channels may take %[2]d of %[1]d bytes", all, got)
	}
	if got := channelMemory(config.Config{ChannelMemory: 7 << 20}); got != 7<<20 {
		t.Errorf("got %d, want the option's 7 MiB", got)
	}
}
