package ensemble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/disk"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// fileRules look at data directories on this machine, and at their newest snapshot.
func fileRules() []*rule {
	return []*rule{
		{Code: "LOG_WITH_DATA", Severity: info, from: ofConfig | ofDirs, Meaning: "Snapshots compete with the log, for which every write waits.", Fix: "Move dataLogDir to its own disk.", look: logWithData},
		{Code: "DISK_SPACE", Severity: warning, Limit: 10, unit: "percent", from: ofDirs, Meaning: "A server that cannot write its log stops.", Fix: "Remove old snapshots and logs (zkctl snapshot purge), or enlarge the disk.", look: diskSpace},
		{Code: "OLD_SNAPSHOT", Severity: warning, Limit: 300_000, unit: "transactions", from: ofMembers | ofLogs,
			Meaning: "A server takes a snapshot every snapCount transactions, 100000 by default; without a recent one, it takes long to start.",
			Fix:     "Look for failed snapshots in the server's log, and for a full disk.", look: oldSnapshot},
		{Code: "DATA_DAMAGED", Severity: critical, from: ofDirs | ofSnapshot | ofLogs, Meaning: "With these files, the server does not start, or starts with older data.", Fix: "See zkctl txnlog verify and zkctl snapshot verify; copy another member's data.", look: dataDamaged},
		{Code: "CHILDREN", Severity: warning, Limit: 100_000, unit: "children", from: ofSnapshot, Meaning: "A client that lists the children receives all of them.", Fix: "Spread the znodes over several parents.",
			look: inSnapshot(func(s *scan) []ranked { return s.children }, "has %s children, more than %s", nil)},
		{Code: "CHILD_LIST", Severity: warning, Limit: 80, unit: "percent", from: ofSnapshot, Meaning: "Once the list of children exceeds jute.maxbuffer, clients can no longer list the children, and so cannot find and delete them.",
			Fix: "Spread the znodes over several parents, or shorten their names.", look: inSnapshot(func(s *scan) []ranked { return s.lists }, "has a list of children of %s percent of jute.maxbuffer, more than %s", (*patient).maxBuffer)},
		{Code: "ZNODE_SIZE", Severity: warning, Limit: 80, unit: "percent", from: ofSnapshot, Meaning: "Once the data exceeds jute.maxbuffer, nobody can read or write the znode.",
			Fix: "Store large data elsewhere, and its location in the znode.", look: inSnapshot(func(s *scan) []ranked { return s.large }, "has data of %s percent of jute.maxbuffer, more than %s", (*patient).maxBuffer)},
		{Code: "INIT_LIMIT", Severity: warning, Limit: 20, unit: "MiB/s", from: ofMembers | ofSnapshot,
			Meaning: "A joining member receives the whole tree and must save it within initLimit ticks, or it starts over.", Fix: "Raise initLimit.", look: initLimit},
	}
}

// dataDirs are a server's data directories on this machine.
type dataDirs struct {
	folders         []string // that hold version-2: of snapshots, and of logs
	logs, snapshots []storage.File
	faults          []error
	space           map[string]disk.Space
	spaceErr        error
	shared          answer.Opt[bool] // logs and snapshots are on one disk
}

// readFiles reads what is on this machine: zoo.cfg and data directories.
func (p *patient) readFiles(ctx context.Context, opt *doctorOptions, wanted source) error {
	if opt.config == "" {
		p.lacks(ofFile|ofConfig, "--config names no zoo.cfg")
	} else if err := p.loadConfig(ctx, opt.config); err != nil {
		return err
	}
	folders := opt.dirs
	for _, dir := range folders {
		if _, err := os.ReadDir(dir); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
	}
	if folders == nil && p.config != nil {
		for _, dir := range []string{p.config.DataDir, p.config.DataLogDir} {
			if _, err := os.Stat(dir); err != nil {
				p.lacks(ofFiles, dir+" is not on this machine")
				return nil
			}
			folders = append(folders, dir)
		}
	}
	if folders == nil {
		p.lacks(ofFiles, "--dir names no data directory")
		return nil
	}
	if wanted&ofFiles == 0 {
		return nil
	}
	var err error
	if p.dirs, err = readDirs(folders); err != nil {
		return err
	}
	if wanted&ofSnapshot != 0 {
		if p.snapshot, err = p.dirs.newestSnapshot(ctx); err != nil {
			return err
		}
	}
	if wanted&ofLogs != 0 {
		p.logs, err = p.dirs.sinceSnapshot(ctx)
	}
	if p.snapshot == nil {
		p.lacks(ofSnapshot, "there is no snapshot in "+strings.Join(p.dirs.folders, ", "))
	}
	return err
}

func readDirs(folders []string) (*dataDirs, error) {
	d := &dataDirs{space: map[string]disk.Space{}}
	for _, folder := range folders {
		folder = filepath.Clean(folder)
		if filepath.Base(folder) == "version-2" {
			folder = filepath.Dir(folder)
		}
		if slices.Contains(d.folders, folder) {
			continue
		}
		d.folders = append(d.folders, folder)
		space, err := disk.SpaceOf(folder)
		if err != nil {
			d.spaceErr = err
		} else {
			d.space[folder] = space
		}
		version2 := filepath.Join(folder, "version-2")
		if _, err := os.Stat(version2); errors.Is(err, fs.ErrNotExist) {
			continue // no server has used it yet
		}
		files, err := storage.ReadDir(version2)
		if err != nil {
			return nil, err
		}
		d.logs, d.snapshots = append(d.logs, files.Logs...), append(d.snapshots, files.Snapshots...)
		for _, f := range slices.Concat(files.NotFiles, files.EpochFaults) {
			d.faults = append(d.faults, f)
		}
	}
	byZxid := func(a, b storage.File) int { return cmp.Compare(uint64(a.Zxid), uint64(b.Zxid)) }
	slices.SortFunc(d.logs, byZxid)
	slices.SortFunc(d.snapshots, byZxid)
	switch len(d.folders) {
	case 1:
		d.shared = answer.Some(true)
	case 2:
		if same, err := disk.Shared(d.folders[0], d.folders[1]); err == nil {
			d.shared = answer.Some(same)
		}
	}
	return d, nil
}

func logWithData(p *patient, r *rule) {
	if p.config != nil && filepath.Clean(p.config.DataLogDir) == filepath.Clean(p.config.DataDir) {
		p.find(r, "dataLogDir and dataDir are %s", p.config.DataDir)
		return
	}
	if !p.has(ofDirs) {
		p.skip(r, "%s", p.absent[ofDirs])
		return
	}
	switch same, known := p.dirs.shared.Get(); {
	case !known:
		p.skip(r, "this system does not report which disk a folder is on")
	case same:
		p.find(r, "on one disk: %s", strings.Join(p.dirs.folders, ", "))
	}
}

func diskSpace(p *patient, r *rule) {
	for _, folder := range p.dirs.folders {
		space, ok := p.dirs.space[folder]
		if !ok || space.Total <= 0 {
			p.skip(r, "the free space on the disk of %s is unknown: %v", folder, p.dirs.spaceErr)
			continue
		}
		if percent := percentOf(space.Free, space.Total); percent < r.Limit {
			p.find(r, "%s: %s of %s are free, %s percent, less than %s", folder, ui.Bytes(space.Free), ui.Bytes(space.Total), decimal(percent), decimal(r.Limit))
		}
	}
}

func oldSnapshot(p *patient, r *rule) {
	if p.has(ofLogs) && p.logs.behind > int64(r.Limit) {
		p.find(r, "%s: %d transactions since the newest snapshot, more than %s", strings.Join(p.dirs.folders, ", "), p.logs.behind, decimal(r.Limit))
	}
	if !p.has(ofMembers) {
		return
	}
	var silent []string
	for _, m := range p.survey.Readings {
		last, known := p.lastSnapshot[m].Get()
		zxid, known2 := m.Zxid.Get()
		switch {
		case m.State != probe.Serving:
		case !known || !known2:
			silent = append(silent, m.Name())
		default:
			behind := int64(zxid - last)
			if zxid>>32 != last>>32 { // at least those of this epoch
				behind = int64(zxid & 0xffffffff)
			}
			if float64(behind) > r.Limit {
				p.find(r, "%s: %d transactions since the newest snapshot, more than %s", m.Name(), behind, decimal(r.Limit))
			}
		}
	}
	if !p.has(ofLogs) {
		p.untold(r, silent)
	}
}

func dataDamaged(p *patient, r *rule) {
	faults := p.dirs.faults
	if p.snapshot != nil && p.snapshot.fault != nil {
		faults = append(faults, p.snapshot.fault)
	}
	if p.logs != nil && p.logs.fault != nil {
		faults = append(faults, p.logs.fault)
	}
	for _, fault := range faults {
		p.find(r, "%v", fault)
	}
}

// inSnapshot is a rule about the largest znodes of the newest snapshot. whole is what their size is a percentage of; nil if
// it is a count.
func inSnapshot(list func(*scan) []ranked, text string, whole func(*patient) int64) func(*patient, *rule) {
	return func(p *patient, r *rule) {
		for _, z := range list(p.snapshot) {
			value := float64(z.n)
			if whole != nil {
				value = percentOf(z.n, whole(p))
			}
			if value > r.Limit {
				p.find(r, "%s "+text, z.path, decimal(value), decimal(r.Limit))
			}
		}
	}
}

// snapshotNode is what a znode takes in a snapshot besides its path and data, in bytes.
const snapshotNode = 4 + 4 + 8 + proto.StatPersistedSize

func initLimit(p *patient, r *rule) {
	judge := func(who string, bytes int64, limit time.Duration) {
		takes := time.Duration(float64(bytes) / (r.Limit * (1 << 20)) * float64(time.Second))
		if takes > limit {
			p.find(r, "%s: the tree takes about %s, which is %v at an assumed %s MiB/s; initLimit is %v", who, ui.Bytes(bytes), takes.Round(time.Second), decimal(r.Limit), limit)
		}
	}
	if p.has(ofSnapshot) && p.config != nil && p.config.Distributed() && p.config.InitLimit > 0 {
		judge(p.snapshot.file.Path, p.snapshot.bytes, time.Duration(p.config.InitLimit)*p.config.TickTime)
	}
	if !p.has(ofMembers) {
		if p.config == nil {
			p.skip(r, "initLimit is unknown without --config")
		}
		return
	}
	var silent []string
	for _, m := range p.survey.Readings {
		if m.State != probe.Serving || m.Mode == "standalone" {
			continue
		}
		ticks, ok := m.Settings.Int("initLimit").Get()
		tick, ok2 := m.Settings.Int("tickTime").Get()
		data, ok3 := m.DataSize.Get()
		znodes, ok4 := m.Znodes.Get()
		if !ok || !ok2 || !ok3 || !ok4 {
			silent = append(silent, m.Name())
			continue
		}
		judge(m.Name(), data+znodes*snapshotNode, time.Duration(ticks*tick)*time.Millisecond)
	}
	if !p.has(ofSnapshot) {
		p.untold(r, silent)
	}
}
