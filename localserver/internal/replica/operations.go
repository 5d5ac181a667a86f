package replica

import (
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver/internal/zab"
)

// operation is how requests of one type are answered. Facts about the operation, such as whether it
// writes and which records it uses, are in package proto.
type operation struct {
	word string // its name in cons (FinalRequestProcessor's lastOp)

	// read answers an operation that changes no znode. q is the request's record, nil if it has none.
	read func(s *Replica, r *request, q jute.Record) (jute.Record, proto.Error)

	// weigh estimates how many bytes read will answer; nil if they are few.
	weigh func(s *Replica, r *request) int

	// prep makes the body of a write's transaction. For a part of a multi, op may differ from the
	// request's type.
	prep func(p *prep, op proto.Op, q jute.Record) (jute.Record, proto.Error)

	// reply is the record that answers a successful write; nil if the header is enough.
	reply func(p *zab.Proposal, result *ztree.Result) jute.Record
}

// operations are all that clients may request, except auth and sasl, which are answered before the
// session is checked, and check, which exists only as a part of a multi.
//
// Differs(check-alone): Apache before 3.8.5 and 3.9.3 also accepts check outside a multi. It never
// answers, and it writes a transaction that keeps servers from starting later (ZOOKEEPER-2623), so
// check alone is unimplemented here for every release.
var operations map[proto.Op]*operation

func init() { // not in the declaration, because the functions refer to operations
	operations = map[proto.Op]*operation{
		proto.OpPing:                 {word: "PING", read: (*Replica).ping},
		proto.OpSync:                 {word: "SYNC", read: reads((*Replica).sync)},
		proto.OpExists:               {word: "EXIS", read: reads((*Replica).exists)},
		proto.OpGetData:              {word: "GETD", read: reads((*Replica).getData), weigh: weighZnode((*Replica).weighData)},
		proto.OpGetACL:               {word: "GETA", read: reads((*Replica).getACL), weigh: weighZnode((*Replica).weighACL)},
		proto.OpGetChildren:          {word: "GETC", read: reads((*Replica).getChildren), weigh: weighZnode((*Replica).weighNames)},
		proto.OpGetChildren2:         {word: "GETC", read: reads((*Replica).getChildren2), weigh: weighZnode((*Replica).weighNames)},
		proto.OpGetAllChildrenNumber: {word: "GETACN", read: reads((*Replica).getAllChildrenNumber)},
		proto.OpGetEphemerals:        {word: "GETE", read: reads((*Replica).getEphemerals), weigh: (*Replica).weighEphemerals},
		proto.OpMultiRead:            {word: "MLTR", read: reads((*Replica).multiRead), weigh: (*Replica).weighMultiRead},
		proto.OpSetWatches:           {word: "SETW", read: reads((*Replica).setWatches), weigh: (*Replica).weighEvents},
		proto.OpSetWatches2:          {word: "STW2", read: reads((*Replica).setWatches2), weigh: (*Replica).weighEvents},
		proto.OpAddWatch:             {word: "ADDW", read: reads((*Replica).addWatch)},
		proto.OpCheckWatches:         {word: "CHKW", read: reads((*Replica).checkWatches)},
		proto.OpRemoveWatches:        {word: "REMW", read: reads((*Replica).removeWatches)},
		proto.OpWhoAmI:               {word: "HOMI", read: (*Replica).whoAmI},

		proto.OpCreate:          {word: "CREA", prep: writes((*prep).create), reply: replyPath},
		proto.OpCreate2:         {word: "CREA", prep: writes((*prep).create), reply: replyCreated},
		proto.OpCreateContainer: {word: "CREA", prep: writes((*prep).create), reply: replyCreated},
		proto.OpCreateTTL:       {word: "CREA", prep: writes((*prep).createTTL), reply: replyCreated},
		proto.OpDelete:          {word: "DELE", prep: writes((*prep).delete)},
		proto.OpDeleteContainer: {word: "DELE", prep: (*prep).deleteContainer},
		proto.OpSetData:         {word: "SETD", prep: writes((*prep).setData), reply: replyStat},
		proto.OpSetACL:          {word: "SETA", prep: writes((*prep).setACL), reply: replyStat},
		proto.OpReconfig:        {word: "RECO", prep: writes((*prep).reconfig), reply: replyConfig},
		proto.OpMulti:           {word: "MULT", prep: writes((*prep).multi), reply: replyMulti},
		proto.OpCheck:           {word: "NA", prep: writes((*prep).check)},
		proto.OpCreateSession:   {word: "SESS", prep: (*prep).createSession},
		proto.OpCloseSession:    {word: "CLOS", prep: (*prep).closeSession},
	}
	for op, o := range operations {
		frequent[op&0x7f] = slot{op, o}
	}
}

// slot is an operation under its code.
type slot struct {
	op proto.Op
	*operation
}

// frequent finds operations faster than a map.
var frequent [128]slot

// operationOf returns nil for what no client may request.
func operationOf(op proto.Op) *operation {
	if f := &frequent[op&0x7f]; f.op == op {
		return f.operation
	}
	return operations[op]
}

// reads makes a read function for requests with a record of type Q.
func reads[Q jute.Record](f func(*Replica, *request, Q) (jute.Record, proto.Error)) func(*Replica, *request, jute.Record) (jute.Record, proto.Error) {
	return func(s *Replica, r *request, q jute.Record) (jute.Record, proto.Error) { return f(s, r, q.(Q)) }
}

// writes is reads for a prep function.
func writes[Q jute.Record](f func(*prep, proto.Op, Q) (jute.Record, proto.Error)) func(*prep, proto.Op, jute.Record) (jute.Record, proto.Error) {
	return func(p *prep, op proto.Op, q jute.Record) (jute.Record, proto.Error) { return f(p, op, q.(Q)) }
}

// decode reads a request's record; nil if it has none.
func (s *Replica) decode(r *request) (jute.Record, proto.Error) {
	q := r.Type.NewRequest()
	if q == nil {
		return nil, 0
	}
	s.codec.Reset(r.Body)
	if q.Visit(&s.codec); s.codec.Err() != nil {
		return nil, proto.ErrMarshallingError
	}
	return q, 0
}

// read answers an operation that changes nothing in the tree (FinalRequestProcessor).
func (s *Replica) read(r *request) (jute.Record, proto.Error) {
	o := operationOf(r.Type)
	if o == nil || o.read == nil {
		return nil, proto.ErrUnimplemented
	}
	q, err := s.decode(r)
	if err != 0 {
		return nil, err
	}
	return o.read(s, r, q)
}

// txn returns the body of the request's transaction.
func (p *prep) txn() (jute.Record, proto.Error) {
	o := operationOf(p.r.Type)
	if o == nil || o.prep == nil || !p.r.Type.Writes() {
		return nil, proto.ErrUnimplemented
	}
	q, err := p.s.decode(p.r)
	if err != 0 {
		return nil, err
	}
	return o.prep(p, p.r.Type, q)
}

// part is txn for a part of a multi.
func (p *prep) part(op proto.MultiOp) (jute.Record, proto.Error) {
	o := operationOf(op.Type)
	if o == nil || o.prep == nil {
		return nil, proto.ErrUnimplemented
	}
	return o.prep(p, op.Type, op.Request)
}

// word is ZooKeeper's short name of an operation.
func word(op proto.Op) string {
	if o := operationOf(op); o != nil {
		return o.word
	}
	return "NA"
}
