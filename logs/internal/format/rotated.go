package format

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/evidence"
	"github.com/zkctl/zkctl/internal/lazyre"
)

// Set is one log, with the files that it was rotated into, oldest first.
type Set struct {
	Name  string // of the newest file without what rotation added, and of the folder
	Files []string
}

// part is a file of a log.
type part struct {
	path   string
	base   string // without what rotation added
	date   string // in the name
	number int    // 0 for the current file
}

var (
	rotatedNumber = lazyre.New(`^(.+?)[.-](\d{1,4})$`)
	rotatedDate   = lazyre.New(`^(.+?)[._-](\d{4}-?\d{2}-?\d{2}(?:[-_T.]?\d{2}(?:[-:_.]?\d{2})*)?)((?:\.log|\.out|\.txt)?)(?:[.-](\d{1,4}))?$`)
	numberedLog   = lazyre.New(`^(.+?)[.-](\d{1,4})(\.log|\.out|\.txt)$`) // logback: zookeeper.1.log
)

// split parses a name such as zookeeper.log.7, zookeeper.log.2024-06-25.gz, zookeeper-2024-06-25.1.log.
func split(path string) part {
	p := part{path: path}
	name := filepath.Base(path)
	for _, packed := range []string{".gz", ".zst", ".zstd"} {
		name = strings.TrimSuffix(name, packed)
	}
	if m := rotatedDate().FindStringSubmatch(name); m != nil {
		p.base, p.date = m[1]+m[3], m[2]
		p.number, _ = strconv.Atoi(m[4])
	} else if m := rotatedNumber().FindStringSubmatch(name); m != nil && strings.Contains(m[1], ".") {
		p.base = m[1]
		p.number, _ = strconv.Atoi(m[2])
	} else if m := numberedLog().FindStringSubmatch(name); m != nil && strings.HasSuffix(m[1], ".log") {
		p.base = m[1] + m[3]
		p.number, _ = strconv.Atoi(m[2])
	} else {
		p.base = name
	}
	p.base = filepath.Join(filepath.Dir(path), p.base)
	return p
}

// ErrNoLog is why a folder gives no set.
var ErrNoLog = errors.New("no file whose name contains .log, .out or .txt")

// Sets finds the logs that the arguments name: files, and folders, of which it takes the files that look like logs. A
// file that is named twice counts once. Files that one log was rotated into make one set. unread is what of the arguments,
// and of their folders, cannot be read; the sets hold the rest.
func Sets(args []string) (sets []Set, unread []error) {
	var parts []part
	var infos []fs.FileInfo
	add := func(path string, info fs.FileInfo) {
		if slices.ContainsFunc(infos, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
			return
		}
		infos = append(infos, info)
		parts = append(parts, split(path))
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case err != nil:
			unread = append(unread, fmt.Errorf("read a log: %w", err))
		case !info.IsDir():
			add(arg, info)
		default:
			found, failed := folder(arg)
			for _, err := range failed {
				unread = append(unread, fmt.Errorf("read logs: %w", err))
			}
			if len(found)+len(failed) == 0 {
				unread = append(unread, fmt.Errorf("read logs: %s has %w", arg, ErrNoLog))
			}
			for _, path := range found {
				if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
					add(path, info)
				}
			}
		}
	}
	index := map[string]int{}
	byBase := map[string][]part{}
	for _, p := range parts {
		if _, known := index[p.base]; !known {
			index[p.base] = len(sets)
			sets = append(sets, Set{Name: p.base})
		}
		byBase[p.base] = append(byBase[p.base], p)
	}
	for base, list := range byBase {
		slices.SortStableFunc(list, older)
		set := &sets[index[base]]
		for _, p := range list {
			set.Files = append(set.Files, p.path)
		}
		if len(list) == 1 {
			set.Name = list[0].path
		}
	}
	return sets, unread
}

// older orders the parts of a log: dated ones by date, then numbered ones from the highest number, then the current one.
func older(a, b part) int {
	rank := func(p part) int {
		switch {
		case p.date != "":
			return 0
		case p.number > 0:
			return 1
		}
		return 2
	}
	if d := cmp.Compare(rank(a), rank(b)); d != 0 {
		return d
	}
	if d := cmp.Compare(a.date, b.date); d != 0 {
		return d
	}
	if a.date != "" {
		return cmp.Compare(a.number, b.number) // a day's parts count up
	}
	return cmp.Compare(b.number, a.number)
}

// folder lists the files of a folder, and of the folders in it, that are logs by their names. unread is what cannot be
// listed.
func folder(dir string) (found []string, unread []error) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			unread = append(unread, err)
			return nil
		}
		name := d.Name()
		if d.IsDir() && path != dir && strings.HasPrefix(name, ".") || d.IsDir() && name == "version-2" {
			return filepath.SkipDir
		}
		if !d.IsDir() && evidence.NamedAsLog(name) {
			found = append(found, path)
		}
		return nil
	})
	return found, unread
}
