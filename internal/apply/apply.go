// Package apply makes a live tree like a stream of wanted znodes: data, ACLs, kinds, TTLs and the numbers of the next
// sequential children. import, cp, mirror and others that write a tree use it.
//
//	apply.go      what is asked for, and what came of it
//	patch.go      the same for single znodes
//	plan.go       reads the wanted znodes beside those that exist, and decides
//	change.go     one change, as a part of a multi
//	writer.go     many changes in each multi, many multis in flight
//	trouble.go    multis that were refused, and those whose outcome is unknown
//	late.go       what waits until the children are there: ACLs, sequence numbers
//	remove.go     deletes a tree as it was read, and moves one in a transaction
//	acl.go        ACLs: which is wanted, and which lets this session finish
//
// Nothing is written blindly. A znode is created, or changed at the version that was read, so that a change that somebody
// else makes meanwhile is reported, not overwritten. So each change can be sent again after its outcome was lost: the
// server's answer says whether it had happened. The destination itself is the state from which a run that was
// interrupted resumes.
package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// Conflict says what happens to a znode that exists and differs.
type Conflict string

// The policies.
const (
	Fail      Conflict = "fail"      // the run ends at the first znode that exists
	Skip      Conflict = "skip"      // it stays as it is
	Overwrite Conflict = "overwrite" // its data and ACL become those that are wanted
)

// The defaults of Options.
const (
	DefaultRate  = 20_000
	DefaultBatch = 500
)

// Wanted passes the wanted znodes to visit, in the order of a walk: a parent before its children, siblings by the bytes
// of their names. Each has the path that it is to have at the destination. A znode is valid until visit returns.
type Wanted func(ctx context.Context, visit func(z *source.Znode) error) error

// Options say how to go about.
type Options struct {
	Root        string   // the znode that the wanted tree begins with
	OnConflict  Conflict // default Fail
	Resume      bool     // a znode with the wanted data is one that an earlier run has written, and is finished
	DeleteExtra bool     // delete what is below Root and not wanted
	NoSequences bool     // do not raise the numbers of the next sequential children
	NoACL       bool     // znodes that exist keep their ACLs
	Alone       bool     // only Root is wanted; its children are left alone
	DryRun      bool     // decide, and write nothing
	// From, if set, says that of the wanted tree only what comes from here on, and what is above it, is passed. The numbers of the
	// next sequential children of what is above are not raised. It is not for DeleteExtra.
	From string
	// Instead, if set, is deleted in the same transaction that writes everything, or the error is ErrNotAtOnce and nothing
	// was done. It may grow until the last wanted znode was visited.
	Instead *Removal
	System  bool // also quotas, the only part of /zookeeper that can be written
	Batch   int  // znodes in a multi; 0 means DefaultBatch
	Rate    int  // changes a second at most; 0 means DefaultRate, less than 0 no limit

	// Mine, if set, says whether a znode that exists and differs, or is not wanted, may be changed or deleted: whether it is
	// as the caller left it. Others are in Result.Foreign. It is for Overwrite; DeleteExtra does not ask.
	Mine func(path string, found *proto.Stat) bool
	// SameACL reports whether a znode's ACL is what a server makes of the wanted one; nil for whether they are equal.
	SameACL func(have, wanted []proto.ACL) bool
	// Each is called for each change: when it is done or, with DryRun, decided.
	Each func(d Done)
	// Sends is called with the paths of znodes that are about to be written, before they are. Its error ends the run. It may be nil.
	Sends func(paths []string) error
	// Wrote is called for each znode that exists as wanted, or was written, with the stat that it then has. If finished is
	// false, its ACL is still to be set. It may be nil.
	Wrote func(path string, stat *proto.Stat, finished bool)
	// Missed is called for each znode in Result.Failed, with its error or, if one above it is named instead, nil. It may be nil.
	Missed func(path string, err error)
	// Progress is called with how many znodes are settled, now and then.
	Progress func(done int)
	// Paired is called when so many more create-and-delete pairs were made. It may be nil.
	Paired func(more int)
	// Lost is called when the connection is lost; the run goes on once there is another. It may be nil.
	Lost func(err error)
	// Raise is called before numbers of sequential children are raised, or with DryRun would be, with the parents and the number of
	// create-and-delete pairs that it takes; if it takes more than AskAbove for one parent, that one is named.
	// False leaves the numbers of such parents as they are. It may be nil, which means yes.
	Raise func(parents, pairs int, largest string) (bool, error)
}

// AskAbove is the number of create-and-delete pairs for one parent above which a person is asked.
const AskAbove = 100_000

// Action is what is done to a znode.
type Action string

// The actions.
const (
	Create Action = "create"
	Alter  Action = "change"
	Delete Action = "delete"
)

// Done is an action on a znode.
type Done struct {
	Action Action
	Path   string
}

// Failure is a znode that is not as it is wanted, and why.
type Failure struct {
	Path string
	Err  error
}

// maxNamed limits how many are kept to be named; all are counted.
const maxNamed = 1000

// Failures are the first of many, and their number.
type Failures struct {
	List []Failure
	N    int
}

func (f *Failures) add(path string, err error) {
	if f.N++; len(f.List) < maxNamed {
		f.List = append(f.List, Failure{path, err})
	}
}

// Result counts znodes by what came of them.
type Result struct {
	Created, Changed, Deleted int
	Same                      int      // existed as wanted
	Skipped                   Failures // exist, differ and stay; also ephemerals, which belong to sessions
	Foreign                   Failures // that somebody else has changed, see Options.Mine
	Ephemeral                 int      // of those, wanted ones, which are not made
	Failed                    Failures
	Raised, Pairs             int      // parents whose next number was raised, and by how many create-and-delete pairs
	Higher                    Failures // parents whose next number is higher than the wanted one
	Unsure                    int      // whose outcome was not known when the run was interrupted
}

func (f *Failures) join(other Failures) {
	f.N += other.N
	f.List = append(f.List, other.List...)
	f.List = f.List[:min(len(f.List), maxNamed)]
}

// Add adds what another run has done.
func (r *Result) Add(o *Result) {
	r.Created += o.Created
	r.Changed += o.Changed
	r.Deleted += o.Deleted
	r.Same += o.Same
	r.Ephemeral += o.Ephemeral
	r.Raised += o.Raised
	r.Pairs += o.Pairs
	r.Unsure += o.Unsure
	r.Skipped.join(o.Skipped)
	r.Foreign.join(o.Foreign)
	r.Failed.join(o.Failed)
	r.Higher.join(o.Higher)
}

// settled is the number of znodes that were seen to.
func (r *Result) settled() int {
	return r.Created + r.Changed + r.Deleted + r.Same + r.Skipped.N + r.Foreign.N + r.Failed.N
}

// ConflictError means that a znode exists that must not.
type ConflictError struct {
	Path string
	Why  string // how it differs
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s exists%s", escape.Line(e.Path), e.Why)
}

// Unwrap returns the server's code for it.
func (e *ConflictError) Unwrap() error { return proto.ErrNodeExists }

// Run makes the tree below opt.Root like the wanted one. The result counts what was done, also after an error. What the
// server refuses for some znodes is in the result; the rest is done.
func Run(ctx context.Context, conn *client.Conn, opt Options, wanted Wanted) (*Result, error) {
	r := newRun(conn, opt)
	w := newWriter(ctx, r)
	defer w.close()
	r.w = w
	p, err := newPlan(ctx, r)
	if err != nil {
		return r.res, err
	}
	defer p.close()
	err = wanted(ctx, p.see)
	if err == nil {
		err = p.end()
	}
	switch {
	case err != nil:
	case opt.Instead != nil:
		if err = r.late.atOnce(); err == nil {
			err = w.commit()
		}
	default:
		if err = w.flush(); err == nil {
			err = r.late.finish(ctx)
		}
	}
	if err != nil {
		w.settle()
	}
	return r.res, err
}

func (o Options) withDefaults() Options {
	if o.OnConflict == "" {
		o.OnConflict = Fail
	}
	if o.Batch <= 0 {
		o.Batch = DefaultBatch
	}
	switch {
	case o.Rate == 0:
		o.Rate = DefaultRate
	case o.Rate < 0:
		o.Rate = 0
	}
	if o.Each == nil {
		o.Each = func(Done) {}
	}
	if o.Wrote == nil {
		o.Wrote = func(string, *proto.Stat, bool) {}
	}
	if o.Missed == nil {
		o.Missed = func(string, error) {}
	}
	if o.SameACL == nil {
		o.SameACL = slices.Equal[[]proto.ACL]
	}
	if o.Progress == nil {
		o.Progress = func(int) {}
	}
	if o.Paired == nil {
		o.Paired = func(int) {}
	}
	if o.Lost == nil {
		o.Lost = func(error) {}
	}
	return o
}

// run is what the parts of a run share. All of it belongs to the goroutine of Run.
type run struct {
	opt     Options
	conn    *client.Conn
	res     *Result
	w       *writer
	late    *late
	self    []proto.ACL     // what lets this session finish a znode whose ACL does not; nil until it is needed
	failed  map[string]bool // znodes that could not be created
	doubted []Target        // that are not as they were found
}

func newRun(conn *client.Conn, opt Options) *run {
	r := &run{opt: opt.withDefaults(), conn: conn, res: &Result{}}
	r.late = &late{run: r}
	return r
}

// miss records that a znode is not as it is wanted. Without an error, one above it is named instead.
func (r *run) miss(path string, err error) {
	if err != nil {
		r.res.Failed.add(path, err)
	} else {
		r.res.Failed.N++
	}
	r.opt.Missed(path, err)
}

// patience is how long a run waits for a connection.
const patience = 30 * time.Second

// note calls Each, and counts.
func (r *run) note(a Action, path string) {
	switch a {
	case Create:
		r.res.Created++
	case Alter:
		r.res.Changed++
	case Delete:
		r.res.Deleted++
	}
	r.opt.Each(Done{a, path})
}
