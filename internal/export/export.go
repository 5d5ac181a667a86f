// Package export is the format of exports: files that hold the znodes of a tree with all that is known about them, one
// JSON object a line. The first line is a [Header], the last a [Trailer], those between are [Record]s in the order of a
// walk, each parent before its children. So a file that was cut off or changed is known as such, and reading takes
// little memory.
//
//	export.go     what is in a file
//	write.go      writing, as a stream
//	read.go       reading, as a stream, and checking
//	record.go     the fields of a line
//	scan.go       the JSON of a line
//	compress.go   gzip and zstd around it
//	folder.go     an export as a folder of files, to be edited
//	names.go      how files are called in it
package export

import (
	"fmt"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
)

// Schema is the version of the format that is written, and the newest that is read.
const Schema = 1

// Mark is what the first line of each export starts with.
const Mark = `{"zkctl":"export"`

// Header says where the znodes come from.
type Header struct {
	Schema     int
	Writer     string // the version of zkctl
	Source     string // the location, as a person reads it
	Root       string // path of the topmost znode
	Start, End int64  // zxids: each znode is as it was at some moment between these; 0 if unknown
	Consistent bool   // all of them are as they were at End
	Dirty      int    // if not: how many may be of an earlier state, as far as is known
	Time       int64  // when it was written, in ms since 1970
	Kinds      bool   // containers and TTL znodes are told from persistent ones
	Options    Options
}

// Options are how the export was made.
type Options struct {
	Include    []string `json:"include,omitempty"`
	Exclude    []string `json:"exclude,omitempty"`
	Ephemerals string   `json:"ephemerals,omitempty"`
	System     bool     `json:"system,omitempty"`
}

// SkipEphemerals is the value of Options.Ephemerals if they are left out.
const SkipEphemerals = "skip"

// The kinds of znodes.
const (
	Persistent = "persistent"
	Ephemeral  = "ephemeral"
	Container  = "container"
	TTL        = "ttl"
)

// Record is a znode.
type Record struct {
	Path string
	Data []byte      // nil if null
	ACL  []proto.ACL // nil if unknown; not to be changed
	Kind string
	TTL  int64 // in ms, of a TTL znode
	// Next is the number that the server gives to the next sequential child (source.NextSequence).
	Next int64
	// Stat is as a server reports it: the owner is 0 unless the znode is ephemeral. Its DataLength is that of Data, and
	// NumChildren is how many the source had, even if the export omits some.
	Stat proto.Stat
	// Bare means that the line has no data, not even null. A folder tree has them elsewhere.
	Bare bool
}

// Owner returns the ephemeralOwner that files of servers hold, from which a server knows the kind.
func (r *Record) Owner() int64 {
	switch r.Kind {
	case Container:
		return proto.ContainerOwner
	case TTL:
		return proto.TTLOwner(r.TTL)
	}
	return r.Stat.EphemeralOwner
}

// Trailer ends an export.
type Trailer struct {
	Znodes int64  // how many
	Bytes  int64  // of their data
	Sum    string // SHA-256 of the lines of the znodes: equal for equal znodes
	SHA256 string // of the same lines, followed by the first line; "" in a file whose editor removed it
}

// Compare orders paths as a walk visits them: siblings by the bytes of their names, parents first.
func Compare(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		switch {
		case i == 0: // neither is a path
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return int(a[i]) - int(b[i])
	}
	return len(a) - len(b)
}

// Fault is what is wrong with an export.
type Fault struct {
	File  string
	Line  int
	Field string // "" if it is about the whole line
	Err   error
}

func (f *Fault) Error() string {
	where := fmt.Sprintf("export %s, line %d", escape.Line(f.File), f.Line)
	if f.Field != "" {
		where += ", field " + escape.Line(f.Field)
	}
	return fmt.Sprintf("%s: %v", where, f.Err)
}

// Unwrap returns what was found.
func (f *Fault) Unwrap() error { return f.Err }
