package disk

// For the benchmark of the bare disk.
var (
	Allocate = allocate
	SyncData = syncData
)
