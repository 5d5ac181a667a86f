// Package source reads znodes, wherever they are: on a server, in a snapshot, in an export, or in a data directory
// as it was at some moment. All of them yield the same znodes in the same order, so that no reader
// needs to know where its znodes come from.
//
//	location.go   how a person says where znodes are
//	source.go     what a source is, and what it yields
//	live.go       a session with an ensemble
//	settle.go     a consistent walk of it
//	dirty.go      what changes meanwhile, from events
//	file.go       a snapshot: streamed, and sorted outside memory
//	dir.go        a data directory, at its newest state or an earlier one
//	replay.go     what snapshot and logs say about each znode, sorted outside memory
//	lives.go      the histories of znodes, one after another
//	exported.go   an export
//	folder.go     an export that is a folder of files
//	hidden.go     ACLs without the hashes of passwords, which servers hide
//	key.go        the order of paths, as the order of bytes
//	pull.go       a walk whose znodes are taken one by one
//	taken.go      a snapshot that a server has sent, and the logs after it
package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// Kind is what kind of znode it is.
type Kind string

// The kinds of znodes. Servers do not tell containers and TTL znodes from persistent ones.
const (
	Persistent Kind = "persistent"
	Ephemeral  Kind = "ephemeral"
	Container  Kind = "container"
	TTL        Kind = "ttl"
)

// KindOf returns the kind of a znode with this owner. That of a stat from a server tells only ephemeral znodes.
func KindOf(owner int64) Kind {
	switch proto.EphemeralTypeOf(owner) {
	case proto.EphemeralContainer:
		return Container
	case proto.EphemeralTTL:
		return TTL
	case proto.EphemeralNormal:
		return Ephemeral
	}
	return Persistent
}

// ttlOf returns the TTL of a TTL znode, and 0 for others.
func ttlOf(owner int64) int64 {
	if proto.EphemeralTypeOf(owner) == proto.EphemeralTTL {
		return proto.TTLOf(owner)
	}
	return 0
}

// NextSequence returns the number in the name of the next sequential child of a znode with this stat.
//
// A server counts the children that a znode has ever had, and shows twice this number less those that it has now
// (DataNode.copyStat).
func NextSequence(s *proto.Stat) int32 { return int32(uint32(s.Cversion+s.NumChildren) / 2) }

// Znode is a znode as a source yields it. It is valid until visit returns.
type Znode struct {
	Path  string
	Known bool        // what Options ask for could be read
	Stat  proto.Stat  // with Options.Stat or Data; as a server reports it
	Kind  Kind        // with Options.Stat or Data; see Source.TellsKinds
	TTL   int64       // of a TTL znode, in milliseconds
	Data  []byte      // with Options.Data; nil if null
	ACL   []proto.ACL // with Options.ACL; nil if unknown
	Err   error       // what of it could not be read; it is in the Report, too
}

// Options say what to read.
type Options struct {
	// Stat, Data and ACL ask for these of each znode; otherwise they may be missing. A server sends
	// nothing that is not asked for.
	Stat, Data, ACL bool
	// Levels is how many levels below the location are read; 0 means all, and -1 the znode itself.
	Levels int
	// Most allows to leave out the children of a znode beyond the first so many, and what is below them; 0 means all
	// are visited.
	Most int
	// Rate is how many requests a server gets in a second at most; 0 means no limit.
	Rate int
	// Match, if set, decides which znodes are visited. It is called once for each, in any order and
	// on any goroutine, but one at a time. Stat.NumChildren and Stat.Cversion are not known to it. What
	// it gets, the path, too, is valid until it returns.
	Match func(z *Znode) bool
	// Progress is called with the number of znodes found so far, now and then.
	Progress func(found int)
	// Bytes, if set, counts the bytes of data that were found so far, and Total is called with the number of znodes that there are
	// about, if that is known before they are visited. Total may be nil.
	Bytes *atomic.Int64
	Total func(znodes int)
	// Settle, if not 0, is how long a walk of a server may take to become consistent: to find everything as it was at one
	// moment. It needs a source from OpenApart. What is to be visited is then sorted outside memory.
	Settle time.Duration
	// Settling is told why a walk takes longer: what it does again, and why. It may be nil.
	Settling func(why string)
	// Moment is called before the first visit, if it is known which state of the tree is visited. It may be nil.
	Moment func(m Moment)
}

// found counts a znode's data.
func (opt *Options) found(data []byte) {
	if opt.Bytes != nil {
		opt.Bytes.Add(int64(len(data)))
	}
}

func (opt *Options) total(znodes int) {
	if opt.Total != nil {
		opt.Total(znodes)
	}
}

func (opt *Options) moment(m Moment) {
	if opt.Moment != nil {
		opt.Moment(m)
	}
}

// Moment says which state of a tree is visited.
type Moment struct {
	Start, End int64 // zxids: each znode is as it was at some moment between these; 0 if unknown
	Consistent bool  // all of them are as they were at End
	Dirty      int   // if not: how many may be of an earlier state, as far as is known
}

// covers reports whether znodes at a level below the location are read.
func (o *Options) covers(level int) bool {
	return o.Levels == 0 || level <= max(o.Levels, 0)
}

// pulse reports progress and returns the error of a context that has ended: for every 1024th of n.
func (o *Options) pulse(ctx context.Context, n, found int) error {
	if n&0x3ff != 0 {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if o.Progress != nil {
		o.Progress(found)
	}
	return nil
}

// Unread is a znode of which something could not be read, and so maybe what is below it.
type Unread struct {
	Path string
	Err  error
}

// maxUnread limits how many are kept to be named; all are counted.
const maxUnread = 1000

// Report says how complete a walk was.
type Report struct {
	Read   int              // znodes, whether visited or not
	Gone   int              // znodes that were deleted while the walk went on
	Unread []Unread         // the first ones
	Failed int              // how many
	Faults []*storage.Fault // damage of the files
}

func (r *Report) failed(path string, err error) {
	if r.Failed++; len(r.Unread) < maxUnread {
		r.Unread = append(r.Unread, Unread{path, err})
	}
}

// Source is a place to read znodes from.
type Source struct {
	Location Location // its Path is absolute
	walker
}

type walker interface {
	// Walk passes the znode of the location and those below it to visit: depth first, siblings in the
	// order of the bytes of their names, so that / sorts below every other byte and two walks can be
	// merged. It holds a bounded part of them. A visit's error ends it; it returns it.
	//
	// If the znode of the location does not exist, the error is a *client.OpError with
	// proto.ErrNoNode. The Report counts what could not be read, also after an error.
	Walk(ctx context.Context, opt Options, visit func(z *Znode) error) (Report, error)
	// TellsKinds reports whether containers and TTL znodes can be told from persistent ones.
	TellsKinds() bool
	// Conn returns the session with the ensemble, or nil for files.
	Conn() *client.Conn
	// Close ends what the source has opened.
	Close() error
}

// Sessions makes the sessions of live sources. What belongs to one of them, such as an identity, is
// not given to another.
type Sessions interface {
	// Conn returns the session at hand.
	Conn() (*client.Conn, error)
	// ConfigOf returns the configuration that a name brings: that of a profile or a local server.
	ConfigOf(name string) (client.Config, error)
	// PlainConfig returns an anonymous configuration, without TLS.
	PlainConfig(servers string) client.Config
	// Apart returns the configuration of another session beside the one at hand, with its identities.
	Apart() (client.Config, error)
}

// Open opens a location, whose Path is absolute.
func Open(l Location, s Sessions) (*Source, error) { return open(l, s, false) }

// OpenApart is Open on a separate session, even for a location on the session at hand: consistent walks need one.
func OpenApart(l Location, s Sessions) (*Source, error) { return open(l, s, true) }

func open(l Location, s Sessions, apart bool) (*Source, error) {
	var w walker
	var err error
	switch {
	case l.Form == File:
		w, err = openFile(&l)
	case l.Form == Here && !apart:
		var conn *client.Conn
		if conn, err = s.Conn(); err == nil {
			w = &live{conn: conn, path: l.Path}
		}
	default:
		var cfg client.Config
		if cfg, err = Config(l, s); err == nil {
			w, err = openLive(cfg, l.Path)
		}
	}
	if err != nil {
		return nil, err
	}
	return &Source{l, w}, nil
}

// Config returns the configuration for a separate session with a live location.
func Config(l Location, s Sessions) (cfg client.Config, err error) {
	switch l.Form {
	case Here:
		return s.Apart()
	case Named:
		if cfg, err = s.ConfigOf(l.Name); err != nil {
			err = &LocationError{l, err.Error()}
		}
		return cfg, err
	}
	return s.PlainConfig(l.Servers), nil
}

// openFile opens what is in a file or folder. The path of an export starts at its root.
func openFile(l *Location) (walker, error) {
	info, err := os.Stat(l.File)
	if err != nil {
		return nil, &LocationError{*l, err.Error()}
	}
	moment := l.Zxid != 0 || !l.Time.IsZero()
	if info.IsDir() && !moment && export.IsFolder(l.File) {
		return openFolder(l)
	}
	if info.IsDir() {
		return openDir(*l)
	}
	if moment {
		return nil, &LocationError{*l, fmt.Sprintf("%s is a single file, which holds one state; name the data directory to read that of another moment (write an @ in the name of a file as %%40)", l.File)}
	}
	if !info.Mode().IsRegular() {
		return nil, &LocationError{*l, "it is not a regular file; copy its content to a file first"}
	}
	if export.Is(l.File) {
		return openExport(l)
	}
	return &file{path: l.Path, name: l.File}, nil
}

// none is the error for a location's znode that does not exist.
func none(path string) error {
	return &client.OpError{Op: proto.OpExists, Path: path, Code: proto.ErrNoNode}
}

// isGone reports whether err says that the znode does not exist.
func isGone(err error) bool { return errors.Is(err, proto.ErrNoNode) }
