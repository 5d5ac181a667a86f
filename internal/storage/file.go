package storage

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/infile"
)

// File is a log or a snapshot in a directory.
type File struct {
	Path string
	Zxid int64 // in its name: a log's first zxid, or a snapshot's last zxid when it was started
	Size int64
}

// Dir is the content of a data directory. Each list is in zxid order.
type Dir struct {
	Path                        string // the folder that holds the files: version-2 itself
	Logs                        []File
	Snapshots                   []File
	AcceptedEpoch, CurrentEpoch int64 // -1 if the file does not exist or holds no number

	// NotFiles are folders, dangling links and the like with the name of a log or a snapshot. A
	// server refuses to start with them.
	NotFiles []*Fault
	// EpochFaults are the epoch files that hold no number. A server refuses to start with them.
	EpochFaults []*Fault
}

// openRegular opens a log or a snapshot. These are read at more than one offset, so a pipe will
// not do; opening one might also block.
func openRegular(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("%s is not a regular file; copy its content to a file first", path)
	}
	return os.Open(path)
}

// ReadDir lists a data directory. path is version-2 or its parent folder. ReadDir never writes.
func ReadDir(path string) (*Dir, error) {
	if sub := filepath.Join(path, "version-2"); filepath.Base(path) != "version-2" {
		if info, err := os.Stat(sub); err == nil && info.IsDir() {
			path = sub
		}
	}
	return readDir(path)
}

// readDir is ReadDir for the folder itself.
func readDir(path string) (*Dir, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read data directory: %w", err)
	}
	d := &Dir{Path: path, AcceptedEpoch: -1, CurrentEpoch: -1}
	for _, e := range entries {
		kind, zxid, ok := ZxidOfName(e.Name())
		if !ok {
			continue
		}
		file := filepath.Join(path, e.Name())
		info, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Lstat(file); err == nil {
				d.notAFile(file, "a dangling symbolic link")
			}
			continue // or purged since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("read data directory: %w", err)
		}
		if info.IsDir() {
			d.notAFile(file, "a folder")
			continue
		}
		if !info.Mode().IsRegular() {
			d.notAFile(file, "a device, a pipe or a socket")
			continue
		}
		f := File{Path: file, Zxid: zxid, Size: info.Size()}
		if kind == kindLog {
			d.Logs = append(d.Logs, f)
		} else {
			d.Snapshots = append(d.Snapshots, f)
		}
	}
	byZxid := func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Zxid, b.Zxid), strings.Compare(a.Path, b.Path))
	}
	slices.SortFunc(d.Logs, byZxid)
	slices.SortFunc(d.Snapshots, byZxid)
	d.AcceptedEpoch = d.readEpoch("acceptedEpoch")
	d.CurrentEpoch = d.readEpoch("currentEpoch")
	return d, nil
}

func (d *Dir) notAFile(path, what string) {
	d.NotFiles = append(d.NotFiles, &Fault{File: path, Offset: -1, Kind: NotAFile, Err: fmt.Errorf("it is %s, not a file", what),
		Meaning: "a server does not start without the file that belongs there (restore the file, or move this away if there was none)"})
}

// NoFiles is the error for a directory that lacks the files looked for; what names them. If it is
// a parent folder of servers' data directories, the error names those.
func (d *Dir) NoFiles(what string) error {
	switch below := dataDirsBelow(d.Path, 2); len(below) {
	case 0:
		return fmt.Errorf("%s holds no %s; a server's data directory has a folder version-2 with files log.ZXID and snapshot.ZXID", d.Path, what)
	case 1:
		return fmt.Errorf("%s itself holds no %s; did you mean %s?", d.Path, what, below[0])
	default:
		return fmt.Errorf("%s itself holds no %s, but it holds the data of several servers: %s; name one of them", d.Path, what, strings.Join(below, ", "))
	}
}

// maxDirsNamed limits how many data directories an error names.
const maxDirsNamed = 9

// dataDirsBelow finds folders that contain a folder version-2, down to that many levels, in
// order.
func dataDirsBelow(path string, levels int) (found []string) {
	entries, err := os.ReadDir(path)
	if err != nil || levels == 0 {
		return nil
	}
	for _, e := range entries {
		sub := filepath.Join(path, e.Name())
		if info, err := os.Stat(sub); err != nil || !info.IsDir() || len(found) >= maxDirsNamed {
			continue
		}
		if info, err := os.Stat(filepath.Join(sub, "version-2")); err == nil && info.IsDir() {
			found = append(found, sub)
		} else {
			found = append(found, dataDirsBelow(sub, levels-1)...)
		}
	}
	return found
}

// readEpoch reads a file that holds a single decimal number (QuorumPeer.readLongFromFile).
func (d *Dir) readEpoch(name string) int64 {
	path := filepath.Join(d.Path, name)
	b, err := infile.Regular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return -1
	}
	line, _, _ := strings.Cut(string(b), "\n")
	n, parseErr := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	switch {
	case err != nil:
	case len(b) == 0:
		err = errors.New("the file is empty")
	case parseErr != nil || n < 0 || n > math.MaxInt32: // an epoch is the upper half of a zxid
		err = fmt.Errorf("%.40q is not a valid epoch", line)
	default:
		return n
	}
	d.EpochFaults = append(d.EpochFaults, &Fault{File: path, Kind: BadRecord, Err: err,
		Meaning: "a server refuses to start with it"})
	return -1
}

// LogsFrom returns the logs that hold transactions after zxid: the last one that starts at or
// before it, and all later ones (FileTxnLog.getLogFiles).
func (d *Dir) LogsFrom(zxid int64) []File {
	first := 0
	for i, f := range d.Logs {
		if f.Zxid > zxid {
			break
		}
		first = i
	}
	return d.Logs[first:]
}

// SnapshotBefore returns the newest snapshot whose zxid is not greater than zxid.
func (d *Dir) SnapshotBefore(zxid int64) (File, bool) {
	for i := len(d.Snapshots) - 1; i >= 0; i-- {
		if d.Snapshots[i].Zxid <= zxid {
			return d.Snapshots[i], true
		}
	}
	return File{}, false
}

// The kinds of files that ZxidOfName distinguishes.
const (
	kindLog      = "log"
	kindSnapshot = "snapshot"
)

// ZxidOfName returns the zxid in a file's name, such as log.1f or snapshot.1f.gz. kind is "log"
// or "snapshot"; ok is false for other names.
func ZxidOfName(name string) (kind string, zxid int64, ok bool) {
	name = filepath.Base(name)
	kind, rest, found := strings.Cut(name, ".")
	if !found || kind != kindLog && kind != kindSnapshot {
		return "", 0, false
	}
	if hex, ending, more := strings.Cut(rest, "."); more {
		if kind != kindSnapshot || ending != "gz" && ending != "snappy" {
			return "", 0, false
		}
		rest = hex
	}
	zxid, err := strconv.ParseInt(rest, 16, 64)
	if err != nil || rest[0] == '+' || rest[0] == '-' {
		return "", 0, false
	}
	return kind, zxid, true
}

// LogName returns the name of a log that starts with zxid.
func LogName(zxid int64) string { return kindLog + "." + strconv.FormatUint(uint64(zxid), 16) }

// SnapshotName returns the name of a snapshot started at zxid; compression is "", "gz" or
// "snappy".
func SnapshotName(zxid int64, compression string) string {
	name := kindSnapshot + "." + strconv.FormatUint(uint64(zxid), 16)
	if compression != "" {
		name += "." + compression
	}
	return name
}
