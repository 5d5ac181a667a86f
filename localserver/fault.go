package localserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// Fault is a failure of clients' requests to embedded members. Op, Path, Session and Member
// select requests; what is not set selects all. Skip and Times choose among those. Delay, Error
// and Drop say what happens; at least one of them must be set.
type Fault struct {
	// Op is the operation: one of the constants, or ZooKeeper's name for a specific form of it,
	// such as "create2".
	Op Op

	// Path is the znode of the request: the requested path, without the number of a sequential
	// one. With Subtree everything below it counts too. A multi has the path of each of its
	// operations.
	Path    string
	Subtree bool

	Session int64 // id of a client's session
	Member  int64 // number of the member that the client is connected to

	Skip  int // let this many requests pass first
	Times int // strike this many times; 0 means no limit

	// Before makes the fault strike before the operation is done, so that Error or Drop prevents
	// it. Otherwise the operation is done and the fault strikes its reply, as when a connection
	// breaks after a write.
	Before bool

	Delay time.Duration // hold the request or its reply back; the client's later ones wait too
	Error ErrorCode     // answer with this error
	Drop  bool          // close the connection instead of answering
}

// Op is an operation of ZooKeeper's client protocol.
type Op string

// The operations. OpCreate, OpGetChildren and OpSetWatches stand for all their forms; which one
// is sent depends on the client.
const (
	OpCreate               Op = "create" // includes create2, createContainer and createTTL
	OpDelete               Op = "delete"
	OpExists               Op = "exists"
	OpGetData              Op = "getData"
	OpSetData              Op = "setData"
	OpGetACL               Op = "getACL"
	OpSetACL               Op = "setACL"
	OpGetChildren          Op = "getChildren" // includes getChildren2
	OpSync                 Op = "sync"
	OpMulti                Op = "multi"
	OpMultiRead            Op = "multiRead"
	OpReconfig             Op = "reconfig"
	OpPing                 Op = "ping"
	OpAddWatch             Op = "addWatch"
	OpSetWatches           Op = "setWatches" // includes setWatches2; sent when a client reconnects
	OpCheckWatches         Op = "checkWatches"
	OpRemoveWatches        Op = "removeWatches"
	OpGetEphemerals        Op = "getEphemerals"
	OpGetAllChildrenNumber Op = "getAllChildrenNumber"
	OpWhoAmI               Op = "whoAmI"
	OpAuth                 Op = "auth"
	OpCloseSession         Op = "closeSession"
)

// forms maps an operation to its forms, if there are several.
var forms = map[Op][]proto.Op{
	OpCreate:      slices.DeleteFunc(proto.Ops(), func(op proto.Op) bool { return !op.Creates() }),
	OpGetChildren: {proto.OpGetChildren, proto.OpGetChildren2},
	OpSetWatches:  {proto.OpSetWatches, proto.OpSetWatches2},
}

// ops returns the operations that o stands for, or none if it is unknown.
func (o Op) ops() []proto.Op {
	if all, ok := forms[o]; ok {
		return all
	}
	for _, op := range proto.Ops() {
		if op.String() == string(o) {
			return []proto.Op{op}
		}
	}
	return nil
}

// ErrorCode is an error code of ZooKeeper's client protocol (KeeperException.Code).
type ErrorCode int32

// The error codes that a server returns. Clients normally raise ErrorConnectionLoss themselves;
// to break the connection, use Fault.Drop.
const (
	ErrorSystemError             = ErrorCode(proto.ErrSystemError)
	ErrorRuntimeInconsistency    = ErrorCode(proto.ErrRuntimeInconsistency)
	ErrorDataInconsistency       = ErrorCode(proto.ErrDataInconsistency)
	ErrorConnectionLoss          = ErrorCode(proto.ErrConnectionLoss)
	ErrorMarshallingError        = ErrorCode(proto.ErrMarshallingError)
	ErrorUnimplemented           = ErrorCode(proto.ErrUnimplemented)
	ErrorOperationTimeout        = ErrorCode(proto.ErrOperationTimeout)
	ErrorBadArguments            = ErrorCode(proto.ErrBadArguments)
	ErrorNewConfigNoQuorum       = ErrorCode(proto.ErrNewConfigNoQuorum)
	ErrorReconfigInProgress      = ErrorCode(proto.ErrReconfigInProgress)
	ErrorNoNode                  = ErrorCode(proto.ErrNoNode)
	ErrorNoAuth                  = ErrorCode(proto.ErrNoAuth)
	ErrorBadVersion              = ErrorCode(proto.ErrBadVersion)
	ErrorNoChildrenForEphemerals = ErrorCode(proto.ErrNoChildrenForEphemeral)
	ErrorNodeExists              = ErrorCode(proto.ErrNodeExists)
	ErrorNotEmpty                = ErrorCode(proto.ErrNotEmpty)
	ErrorSessionExpired          = ErrorCode(proto.ErrSessionExpired)
	ErrorInvalidACL              = ErrorCode(proto.ErrInvalidACL)
	ErrorAuthFailed              = ErrorCode(proto.ErrAuthFailed)
	ErrorSessionMoved            = ErrorCode(proto.ErrSessionMoved)
	ErrorNotReadOnly             = ErrorCode(proto.ErrNotReadOnly)
	ErrorNoWatcher               = ErrorCode(proto.ErrNoWatcher)
	ErrorReconfigDisabled        = ErrorCode(proto.ErrReconfigDisabled)
	ErrorQuotaExceeded           = ErrorCode(proto.ErrQuotaExceeded)
	ErrorThrottledOp             = ErrorCode(proto.ErrThrottledOp)
)

// String returns the code's name in KeeperException.Code, such as NONODE, or its number if it has
// none.
func (c ErrorCode) String() string { return proto.Error(c).Name() }

// Injection is an injected fault.
type Injection struct {
	e     *Ensemble
	fault Fault
	ops   []proto.Op // none means all

	mu      sync.Mutex
	matches int
	hits    int
}

// Inject makes embedded members fail as f says from now on, even if they are restarted. If
// several faults select a request, the one injected first strikes.
func (e *Ensemble) Inject(f Fault) (*Injection, error) {
	if err := e.checkFault(&f); err != nil {
		return nil, fmt.Errorf("inject a fault: %w", err)
	}
	i := &Injection{e: e, fault: f, ops: f.Op.ops()}
	e.setFaults(func(list []*Injection) []*Injection { return append(list, i) })
	return i, nil
}

func (e *Ensemble) checkFault(f *Fault) error {
	switch {
	case f.Delay == 0 && f.Error == 0 && !f.Drop:
		return errors.New("the fault has no effect; set Delay, Error or Drop")
	case f.Delay < 0 || f.Skip < 0 || f.Times < 0:
		return errors.New("Delay, Skip and Times cannot be negative")
	case f.Drop && f.Error != 0:
		return fmt.Errorf("a dropped connection cannot answer; set either Drop or Error (%v)", f.Error)
	case f.Op != "" && f.Op.ops() == nil:
		return fmt.Errorf("unknown operation %q; use a name such as create, getData, getChildren, exists, setData or multi", f.Op)
	case f.Path != "" && !strings.HasPrefix(f.Path, "/"):
		return fmt.Errorf("path %q does not start with /", f.Path)
	case f.Subtree && f.Path == "":
		return errors.New("Subtree needs a Path")
	case f.Member != 0 && e.Member(f.Member) == nil:
		return fmt.Errorf("no member %d", f.Member)
	case !slices.ContainsFunc(e.Members(), func(m *Member) bool { return m.engine == Embedded }):
		return errEmbeddedOnly
	}
	return nil
}

// Hits returns how many requests the fault has struck.
func (i *Injection) Hits() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits
}

// Remove ends the fault. What is already delayed still arrives late.
func (i *Injection) Remove() {
	i.e.setFaults(func(list []*Injection) []*Injection {
		return slices.DeleteFunc(list, func(one *Injection) bool { return one == i })
	})
}

// setFaults changes the faults of the ensemble and tells its running members.
func (e *Ensemble) setFaults(change func([]*Injection) []*Injection) {
	e.mu.Lock()
	e.faults = change(slices.Clone(e.faults))
	e.mu.Unlock()
	for _, m := range e.Members() {
		m.applyFaults()
	}
}

// applyFaults passes the faults to a running embedded member.
func (m *Member) applyFaults() {
	s := m.embedded()
	if s == nil {
		return
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock() // the newest faults are set last
	s.SetFaults(m.strikes(m.e.faults))
}

// strikes returns the function through which faults strike the member's clients; nil means none.
func (m *Member) strikes(faults []*Injection) replica.Faults {
	if len(faults) == 0 {
		return nil
	}
	return func(before bool, op proto.Op, session int64, body []byte) replica.Fault {
		for _, i := range faults {
			if f := &i.fault; f.Before == before && i.strikes(m.id, op, session, body) {
				return replica.Fault{Err: proto.Error(f.Error), Delay: f.Delay, Drop: f.Drop}
			}
		}
		return replica.Fault{}
	}
}

func (i *Injection) strikes(member int64, op proto.Op, session int64, body []byte) bool {
	f := &i.fault
	if f.Member != 0 && f.Member != member || f.Session != 0 && f.Session != session ||
		i.ops != nil && !slices.Contains(i.ops, op) || f.Path != "" && !slices.ContainsFunc(pathsOf(op, body), f.about) {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.matches++
	if i.matches <= f.Skip || f.Times > 0 && i.hits >= f.Times {
		return false
	}
	i.hits++
	return true
}

// about reports whether the fault concerns a path.
func (f *Fault) about(path string) bool {
	if path == f.Path {
		return true
	}
	return f.Subtree && strings.HasPrefix(path, strings.TrimSuffix(f.Path, "/")+"/")
}

// pathsOf returns the znodes that a request concerns.
func pathsOf(op proto.Op, body []byte) (paths []string) {
	switch r := op.NewRequest().(type) {
	case proto.Pathed:
		var path string
		jute.NewDecoder(body).String(&path)
		return []string{path}
	case *proto.MultiRequest:
		if jute.Unmarshal(body, r) != nil {
			return nil
		}
		for _, part := range r.Ops {
			paths = append(paths, *part.Request.(proto.Pathed).ZnodePath())
		}
	}
	return paths
}
