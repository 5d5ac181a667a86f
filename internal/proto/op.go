package proto

import (
	"fmt"
	"strconv"

	"github.com/zkctl/zkctl/internal/jute"
)

// Op is an operation code: the type of a request and of a transaction (ZooDefs.OpCode).
type Op int32

// Operation codes. The facts about each are in operations.
const (
	OpNotification         Op = 0
	OpCreate               Op = 1
	OpDelete               Op = 2
	OpExists               Op = 3
	OpGetData              Op = 4
	OpSetData              Op = 5
	OpGetACL               Op = 6
	OpSetACL               Op = 7
	OpGetChildren          Op = 8
	OpSync                 Op = 9
	OpPing                 Op = 11
	OpGetChildren2         Op = 12
	OpCheck                Op = 13
	OpMulti                Op = 14
	OpCreate2              Op = 15
	OpReconfig             Op = 16
	OpCheckWatches         Op = 17
	OpRemoveWatches        Op = 18
	OpCreateContainer      Op = 19
	OpDeleteContainer      Op = 20
	OpCreateTTL            Op = 21
	OpMultiRead            Op = 22
	OpAuth                 Op = 100
	OpSetWatches           Op = 101
	OpSASL                 Op = 102
	OpGetEphemerals        Op = 103
	OpGetAllChildrenNumber Op = 104
	OpSetWatches2          Op = 105
	OpAddWatch             Op = 106
	OpWhoAmI               Op = 107
	OpCreateSession        Op = -10
	OpCloseSession         Op = -11
	OpError                Op = -1
)

// operation is a row of operations.
type operation struct {
	op      Op
	name    string
	since   string // first release whose servers know it; "" is 3.4 or earlier
	effect  effect
	request record // nil without one
	reply   record
	txn     record // the logged body; nil if it is never logged
	part    part
	// destroys says that it deletes or replaces what is there. A multi does what its parts do.
	destroys bool

	// event is what a transaction of the type reports to the watches of its znode.
	event EventType
}

// effect is what an operation changes as a request.
type effect int

const (
	noRequest  effect = iota // a client cannot request it on its own
	reads                    // nothing
	connection               // what the server knows about the client: watches, identities
	writes                   // znodes or sessions, by a transaction of its type
)

// part says where an operation occurs inside a multi.
type part int

const (
	asked  part = 1 << iota // in a request, multi or multiRead
	logged                  // in a transaction
)

// record returns an empty record.
type record func() jute.Record

func of[T any, P interface {
	*T
	jute.Record
}]() jute.Record {
	return P(new(T))
}

// operations are all operations, in the order of the constants, which messages follow.
var operations = []operation{
	{op: OpNotification, name: "notification", reply: of[WatcherEvent]},
	{op: OpCreate, name: "create", effect: writes, request: of[CreateRequest], reply: of[PathResponse],
		txn: of[CreateTxn], part: asked | logged, event: EventNodeCreated},
	{op: OpDelete, name: "delete", effect: writes, destroys: true, request: of[PathVersionRequest],
		txn: of[DeleteTxn], part: asked | logged, event: EventNodeDeleted},
	{op: OpExists, name: "exists", effect: reads, request: of[PathWatchRequest], reply: of[StatResponse]},
	{op: OpGetData, name: "getData", effect: reads, request: of[PathWatchRequest], reply: of[GetDataResponse], part: asked},
	{op: OpSetData, name: "setData", effect: writes, destroys: true, request: of[SetDataRequest], reply: of[StatResponse],
		txn: of[SetDataTxn], part: asked | logged, event: EventNodeDataChanged},
	{op: OpGetACL, name: "getACL", effect: reads, request: of[PathRequest], reply: of[GetACLResponse]},
	{op: OpSetACL, name: "setACL", effect: writes, destroys: true, request: of[SetACLRequest], reply: of[StatResponse], txn: of[SetACLTxn]},
	{op: OpGetChildren, name: "getChildren", effect: reads, request: of[PathWatchRequest], reply: of[GetChildrenResponse], part: asked},
	{op: OpSync, name: "sync", effect: reads, request: of[PathRequest], reply: of[PathResponse]},
	{op: OpPing, name: "ping", effect: reads},
	{op: OpGetChildren2, name: "getChildren2", effect: reads, request: of[PathWatchRequest], reply: of[GetChildren2Response]},
	{op: OpCheck, name: "check", request: of[PathVersionRequest], txn: of[CheckVersionTxn], part: asked | logged},
	{op: OpMulti, name: "multi", effect: writes, destroys: true, request: of[MultiRequest], reply: of[MultiResponse], txn: of[MultiTxn]},
	{op: OpCreate2, name: "create2", since: "3.5", effect: writes, request: of[CreateRequest], reply: of[Create2Response],
		txn: of[CreateTxn], part: asked | logged, event: EventNodeCreated},
	{op: OpReconfig, name: "reconfig", since: "3.5", effect: writes, destroys: true, request: of[ReconfigRequest], reply: of[GetDataResponse],
		txn: of[SetDataTxn], event: EventNodeDataChanged},
	{op: OpCheckWatches, name: "checkWatches", since: "3.5", effect: reads, request: of[WatchesRequest]},
	{op: OpRemoveWatches, name: "removeWatches", since: "3.5", effect: connection, request: of[WatchesRequest]},
	{op: OpCreateContainer, name: "createContainer", since: "3.5", effect: writes, request: of[CreateRequest], reply: of[Create2Response],
		txn: of[CreateContainerTxn], part: asked | logged, event: EventNodeCreated},
	{op: OpDeleteContainer, name: "deleteContainer", since: "3.5", effect: writes, destroys: true, // its request is the path without a length
		txn: of[DeleteTxn], part: logged, event: EventNodeDeleted},
	{op: OpCreateTTL, name: "createTTL", since: "3.5", effect: writes, request: of[CreateTTLRequest], reply: of[Create2Response],
		txn: of[CreateTTLTxn], part: asked | logged, event: EventNodeCreated},
	{op: OpMultiRead, name: "multiRead", since: "3.6", effect: reads, request: of[MultiRequest], reply: of[MultiResponse]},
	{op: OpAuth, name: "auth", effect: connection, request: of[AuthPacket]},
	{op: OpSetWatches, name: "setWatches", effect: connection, request: of[SetWatches]},
	{op: OpSASL, name: "sasl", effect: connection, request: of[SASLToken], reply: of[SASLToken]},
	{op: OpGetEphemerals, name: "getEphemerals", since: "3.6", effect: reads, request: of[PathRequest], reply: of[GetEphemeralsResponse]},
	{op: OpGetAllChildrenNumber, name: "getAllChildrenNumber", since: "3.6", effect: reads, request: of[PathRequest],
		reply: of[GetAllChildrenNumberResponse]},
	{op: OpSetWatches2, name: "setWatches2", since: "3.6", effect: connection, request: of[SetWatches2]},
	{op: OpAddWatch, name: "addWatch", since: "3.6", effect: connection, request: of[AddWatchRequest], reply: of[ErrorResponse]},
	{op: OpWhoAmI, name: "whoAmI", since: "3.7", effect: reads, reply: of[WhoAmIResponse]},
	{op: OpCreateSession, name: "createSession", effect: writes, txn: of[CreateSessionTxn]}, // its request is only a timeout
	{op: OpCloseSession, name: "closeSession", effect: writes, txn: of[CloseSessionTxn]},
	{op: OpError, name: "error", reply: of[ErrorResponse], txn: of[ErrorTxn], part: logged},
}

// The range of operation codes.
const (
	lowest  = OpCloseSession
	highest = OpWhoAmI
)

// slot returns an operation's index in arrays; ok is false for a code outside the range.
func (o Op) slot() (uint, bool) {
	i := uint(o - lowest)
	return i, i <= uint(highest-lowest)
}

// facts are the facts about a code; zero for codes without an operation.
type facts struct {
	operation
	pathInTxn bool
	result    resultFields // as part of a multi or a multiRead
}

var bySlot = func() (slots [highest - lowest + 1]facts) {
	for _, o := range operations {
		i, _ := o.op.slot()
		slots[i] = facts{operation: o}
		if o.txn != nil {
			_, slots[i].pathInTxn = o.txn().(Pathed)
		}
		if o.part&asked != 0 || o.op == OpError {
			slots[i].result = resultLike(o.reply.new())
		}
	}
	return slots
}()

var unknown facts

func (o Op) facts() *facts {
	if i, ok := o.slot(); ok {
		return &bySlot[i]
	}
	return &unknown
}

// Ops returns all operations.
func Ops() []Op { return selected(func(*operation) bool { return true }) }

// TxnTypes returns the operations that have transactions.
func TxnTypes() []Op { return selected(func(o *operation) bool { return o.txn != nil }) }

func selected(which func(*operation) bool) (ops []Op) {
	for i := range operations {
		if which(&operations[i]) {
			ops = append(ops, operations[i].op)
		}
	}
	return ops
}

// String returns ZooKeeper's name of the operation, or "op N" for an unknown one.
func (o Op) String() string {
	if name := o.facts().name; name != "" {
		return name
	}
	return "op " + strconv.Itoa(int(o))
}

// Known reports whether there is such an operation.
func (o Op) Known() bool { return o.facts().name != "" }

// Since returns the first ZooKeeper release whose servers know the operation, at least "3.4".
func (o Op) Since() string {
	if since := o.facts().since; since != "" {
		return since
	}
	return "3.4"
}

// Requested reports whether a client may request the operation on its own, not only as part of a
// multi (Request.isValid).
func (o Op) Requested() bool { return o.facts().effect != noRequest }

// Writes reports whether the operation needs a transaction, and therefore the leader (Request.isQuorum).
func (o Op) Writes() bool { return o.facts().effect == writes }

// Destroys reports whether the operation deletes or replaces what is there; a multi may.
func (o Op) Destroys() bool { return o.facts().destroys }

// Reads reports whether the operation changes nothing, not even what the server knows about the
// client.
func (o Op) Reads() bool { return o.facts().effect == reads }

// Event returns what a transaction of the type reports to the watches of its znode; 0 for nothing.
// The effects of a closeSession and of the parts of a multi are reported separately.
func (o Op) Event() EventType { return o.facts().event }

// Creates reports whether the operation creates a znode.
func (o Op) Creates() bool { return o.facts().event == EventNodeCreated }

// HasPath reports whether a transaction of the type is about one znode, whose path starts its body.
func (o Op) HasPath() bool { return o.facts().pathInTxn }

// PartOfTxn reports whether a transaction of the type may be part of a multi's.
func (o Op) PartOfTxn() bool { return o.facts().part&logged != 0 }

// NewRequest returns an empty record for the operation's request, or nil if it has none.
func (o Op) NewRequest() jute.Record { return o.facts().request.new() }

// NewReply returns an empty record for the operation's reply after the header, or nil if there is none.
func (o Op) NewReply() jute.Record { return o.facts().reply.new() }

func (r record) new() jute.Record {
	if r == nil {
		return nil
	}
	return r()
}

// NewTxnBody returns an empty record for the body of a transaction of the type.
func NewTxnBody(op Op) (jute.Record, error) {
	if body := op.facts().txn.new(); body != nil {
		return body, nil
	}
	return nil, fmt.Errorf("unknown transaction type %d", int32(op))
}

// newPart returns an empty record for a part of a multi's or a multiRead's request.
func newPart(op Op) (jute.Record, error) {
	if f := op.facts(); f.part&asked != 0 {
		return f.request.new(), nil
	}
	return nil, fmt.Errorf("%v cannot be part of a multi", op)
}
