package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/zkctl/zkctl/internal/disk"
	"github.com/zkctl/zkctl/internal/ui"
)

const (
	// warnAt is fsync.warningthresholdms: from then on FileTxnLog logs a warning for each fsync.
	warnAt = time.Second
	// lostAt is tickTime × syncLimit: a leader drops a follower that has not acknowledged a proposal for so long
	// (LearnerHandler.SyncLimitCheck), and it acknowledges after its fsync.
	lostAt = defaultTick * defaultSyncTicks
	// tooFast is less than any disk needs to make data safe.
	tooFast = 10 * time.Microsecond
	// scarce is the free fraction of a file system below which ensemble doctor warns, too.
	scarce = 0.1
)

// judgeDisk says whether a disk is fit, from what was found.
func judgeDisk(r *diskResult, maxP99 time.Duration) *verdict {
	v := new(verdict)
	switch {
	case r.Failed != nil && errors.Is(r.Failed, syscall.ENOSPC):
		v.fault("the file system is full: %v. A server that cannot write its log stops", r.Failed)
	case r.Failed != nil:
		v.fault("writing failed: %v. A server that cannot write its log stops", r.Failed)
	case r.Stuck > 0:
		v.fault("an fsync did not return within %v; what is left in %s/zkctl-check-disk-* is removed by the next run", r.Stuck.Round(time.Second), r.Dir)
	case r.Space != nil && r.Space.Free < roomNeeded:
		v.fault("only %s are free, so nothing was measured; a server that cannot write its log stops", ui.Bytes(r.Space.Free))
	case len(r.Phases) == 0:
		v.doubt("nothing was measured")
	}
	if len(r.Phases) > 0 {
		judgeFsync(v, r, maxP99)
	}
	judgeSystem(v, r)
	if r.Space != nil && r.Space.Total > 0 && r.Space.Free >= roomNeeded && float64(r.Space.Free) < scarce*float64(r.Space.Total) {
		v.warn("the file system is nearly full: %s of %s are free. A server that cannot write its log stops", ui.Bytes(r.Space.Free), ui.Bytes(r.Space.Total))
	}
	return v
}

func judgeFsync(v *verdict, r *diskResult, maxP99 time.Duration) {
	alone := r.Phases[0].Sync
	if alone.P99 > maxP99 {
		v.fault("%s; a leader needs 99 in a hundred within %s (--max-p99), since every write waits for an fsync on most members", alone.rare("fsync"), brief(maxP99))
	}
	slowest := time.Duration(0)
	for _, p := range r.Phases {
		slowest = max(slowest, p.Sync.Slowest)
	}
	switch {
	case slowest >= lostAt:
		v.fault("the slowest fsync took %s: a leader drops a follower that does not acknowledge within tickTime × syncLimit, %v by default", brief(slowest), lostAt)
	case slowest >= warnAt:
		v.fault("the slowest fsync took %s: a server logs a warning from %v on (fsync.warningthresholdms), and all clients wait meanwhile", brief(slowest), warnAt)
	}
	if alone.Count > 0 && alone.Median < tooFast && alone.P99 <= maxP99 {
		if f := r.System; f == nil || f.Kind != disk.Memory {
			v.warn("an fsync takes %s, less than a disk needs to make data safe: it may be ignored, or end in a cache that loses power with the machine", brief(alone.Median))
		}
	}
}

func judgeSystem(v *verdict, r *diskResult) {
	f := r.System
	if f == nil {
		f = new(disk.FileSystem)
	}
	switch f.Kind {
	case disk.Memory:
		v.fault("%s is memory: a restart of the machine loses the log, and with it writes that were acknowledged", f.Type)
	case disk.Network:
		v.warn("%s is a file system on the network: whatever delays it delays every write, and locks and fsync depend on its server", f.Type)
	case disk.Fuse:
		v.warn("%s is a FUSE file system: what an fsync is worth depends on the process that serves it", f.Type)
	case disk.Layered:
		v.warn("%s is a container's own layer, which is removed with the container; mount a volume for the log", f.Type)
	}
	others := f.Shares
	if f.Mount != "" && f.Mount == "/" {
		others = append([]string{"/"}, others...)
	}
	switch {
	case len(r.Folders) > 1:
		v.warn("%s are on one disk: snapshots compete with the log, for which every write waits", strings.Join(r.Folders, " and "))
	case r.Snaps:
		v.warn("snapshots are in the same folder: they compete with the log, for which every write waits (dataLogDir moves the log)")
	}
	if len(f.Disks) > 0 && len(others) > 0 {
		list := slices.Clone(others)
		if len(list) > 3 {
			list = append(list[:3], fmt.Sprintf("%d more", len(others)-3))
		}
		v.warn("the disk (%s) also holds %s: whatever else writes there delays the log", strings.Join(f.Disks, ", "), strings.Join(list, ", "))
	}
	if r.Idle != nil && (r.Idle.Busy >= 0.1 || r.Idle.WritesPerSec >= 20) {
		v.warn("others use the disk: before the measurement it was busy %.0f %% of the time, with %.0f writes/s", 100*r.Idle.Busy, r.Idle.WritesPerSec)
	}
}
