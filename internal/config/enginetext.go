package config

import (
	"fmt"
	"time"
)

// diskAge is the default of history_age with the engine on disk, and with several nodes. Messages that are on disk survive a
// restart, so they should also survive a weekend's night.
const diskAge = 24 * time.Hour

// maxDiskShare is how many times history_memory history_disk may be, at most. The index of the
// messages on disk is in memory. The size of a file follows history_memory, and each file takes a
// descriptor, so this also bounds their number.
const maxDiskShare = 1024

// chooseEngine sets the defaults that depend on the engine, and checks the options that need a
// certain engine.
func (l *loader) chooseEngine() {
	c := &l.config
	switch {
	case c.Given("engine"):
	case c.ClusterPeers != "":
		c.Engine = EngineCluster
	case c.DataDir != "":
		c.Engine = EngineDisk
	}
	if c.Engine != EngineMemory && !c.Given("history_age") {
		c.HistoryAge = diskAge
	}
	l.checkCluster()
	if c.Engine == EngineDisk {
		l.checkDisk()
		return
	}
	for i, r := range c.Rules {
		if r.Durable == DurableSync && c.Engine == EngineMemory {
			l.fail(&Error{
				Where:   c.Origin("rules"),
				Message: fmt.Sprintf("rules: rule %d, %q: durable=sync needs engine disk: give data_dir, or omit the word", i+1, r),
			})
		}
	}
	for _, name := range []string{"sync_interval", "history_disk", "disk_free"} {
		o := l.options[name]
		if o.format(*c) == o.Default || name == "sync_interval" && c.Engine == EngineCluster {
			continue
		}
		need := "engine disk, which needs data_dir"
		if c.Clustered() {
			need = "engine disk"
		}
		c.Notes = append(c.Notes, name+" is given and the engine is "+c.engineKind()+": it applies only to "+need)
	}
}

// checkDisk checks the options of the engine on disk.
func (l *loader) checkDisk() {
	c := &l.config
	if c.DataDir == "" {
		l.fail(&Error{Where: c.Origin("engine"), Message: "engine is disk and data_dir is not given: name the directory for the messages"})
	}
	if !c.Given("history_disk") {
		c.HistoryDisk = min(c.HistoryDisk, c.HistoryMemory*maxDiskShare)
	}
	if c.HistoryDisk/maxDiskShare > c.HistoryMemory {
		l.fail(&Error{
			Where: c.Origin("history_disk"),
			Message: fmt.Sprintf("history_disk is %s and history_memory is %s: the index of the messages on disk is in memory: raise history_memory to %s, or lower history_disk to %s",
				formatSize(c.HistoryDisk), formatSize(c.HistoryMemory), formatSize(c.HistoryDisk/maxDiskShare), formatSize(c.HistoryMemory*maxDiskShare)),
		})
	}
}
