package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEngineOfADirectory: with a directory, messages are on disk, and are kept for a day.
func TestEngineOfADirectory(t *testing.T) {
	type result struct {
		Engine      string
		Age         time.Duration
		Given       bool  // whether engine was given
		Durable     bool  // whether a channel without a rule is on disk
		Disk        int64 // history_disk, if it is not given and not its usual default
		Notes, Fail string
	}
	for _, c := range []struct {
		flags string // NAME=VALUE, separated by spaces
		want  result
	}{
		{"", result{Engine: EngineMemory, Age: 5 * time.Minute, Durable: true}},
		{"engine=memory", result{Engine: EngineMemory, Age: 5 * time.Minute, Given: true, Durable: true}},
		{"data_dir=d", result{Engine: EngineDisk, Age: 24 * time.Hour, Durable: true}},
		{"data_dir=d engine=disk history_age=7m", result{Engine: EngineDisk, Age: 7 * time.Minute, Given: true, Durable: true}},
		{"data_dir=d history_age=5m", result{Engine: EngineDisk, Age: 5 * time.Minute, Durable: true}},
		{"data_dir=d engine=memory", result{Engine: EngineMemory, Age: 5 * time.Minute, Given: true, Durable: true}},
		{"data_dir=d durable=memory", result{Engine: EngineDisk, Age: 24 * time.Hour}},
		{"data_dir=d sync_interval=1s history_disk=1GiB disk_free=0", result{Engine: EngineDisk, Age: 24 * time.Hour, Durable: true}},
		{"sync_interval=0s history_disk=4GiB disk_free=256MiB", result{Engine: EngineMemory, Age: 5 * time.Minute, Durable: true}},
		{"sync_interval=1s disk_free=0", result{
			Engine: EngineMemory, Age: 5 * time.Minute, Durable: true,
			Notes: "sync_interval is given and the engine is memory: it applies only to engine disk, which needs data_dir\n" +
				"disk_free is given and the engine is memory: it applies only to engine disk, which needs data_dir",
		}},
		{"engine=disk", result{Fail: "--engine: engine is disk and data_dir is not given: name the directory for the messages"}},
		{"engine=dsik", result{Fail: `--engine: want memory, disk, cluster, or nats://HOST,HOST,HOST, not "dsik": did you mean disk?`}},
		{"engine=pebble", result{Fail: `--engine: want memory, disk, cluster, or nats://HOST,HOST,HOST, not "pebble": there is no such engine`}},
		{"durable=always", result{Fail: `--durable: want one of sync, memory, not "always"`}},
		{"sync_interval=2m", result{Fail: `--sync-interval: want a duration from 1ms to 1m, such as 1m30s or 90 (0 means before each reply), not "2m"`}},
		{"history_disk=64MiB", result{Fail: `--history-disk: want a size from 128MiB to 1TiB, such as 64KiB or 65536, not "64MiB"`}},
		{"data_dir=d history_disk=1TiB", result{Fail: "--history-disk: history_disk is 1TiB and history_memory is 256MiB: the index of the messages on disk is in memory: raise history_memory to 1GiB, or lower history_disk to 256GiB"}},
		{"data_dir=d history_memory=2MiB", result{Engine: EngineDisk, Age: 24 * time.Hour, Durable: true, Disk: 2 << 30}},
		{"data_dir=d history_memory=4MiB", result{Engine: EngineDisk, Age: 24 * time.Hour, Durable: true}},
		{"history_memory=1MiB", result{Engine: EngineMemory, Age: 5 * time.Minute, Durable: true}},
		{"disk_free=5", result{Fail: `--disk-free: want a size from 1MiB to 1TiB, such as 64KiB or 65536 (0 means none), not "5"`}},
	} {
		flags := map[string]string{}
		for flag := range strings.FieldsSeq(c.flags) {
			name, value, _ := strings.Cut(flag, "=")
			flags[name] = value
		}
		loaded, err := Load(Input{Dir: t.TempDir(), Flags: flags})
		var got result
		if err != nil {
			got.Fail = err.Error()
		} else {
			got = result{
				Engine: loaded.Engine, Age: loaded.HistoryAge, Given: loaded.Given("engine"),
				Durable: !loaded.ChannelRules().For("any").InMemory, Notes: strings.Join(loaded.Notes, "\n"),
			}
			if !loaded.Given("history_disk") && loaded.HistoryDisk != Default().HistoryDisk {
				got.Disk = loaded.HistoryDisk
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.flags, diff)
		}
	}
}

// TestDurableRules: a rule says for its channels what the option says for all.
func TestDurableRules(t *testing.T) {
	const rules = "orders.** durable=sync; typing.** durable=memory"
	for option, wantOther := range map[string]bool{DurableSync: false, DurableMemory: true} {
		c := mustLoad(t, Input{Dir: t.TempDir(), Flags: map[string]string{"data_dir": "d", "durable": option, "rules": rules}})
		got := map[string]bool{}
		for _, channel := range []string{"orders.1", "typing.1", "other"} {
			got[channel] = c.ChannelRules().For(channel).InMemory
		}
		if diff := cmp.Diff(map[string]bool{"orders.1": false, "typing.1": true, "other": wantOther}, got); diff != "" {
			t.Errorf("durable=%s (-want +got):\n%s", option, diff)
		}
		if diff := cmp.Diff(rules, formatRules(c.Rules, "; ")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	_, err := Load(Input{Dir: t.TempDir(), Flags: map[string]string{"rules": rules}})
	checkError(t, err, `--rules: rules: rule 1, "orders.** durable=sync": durable=sync needs engine disk: give data_dir, or omit the word`)
}
