package zab

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// memDisk is an in-memory disk that survives its member, except for unsynced data.
type memDisk struct {
	mu                sync.Mutex
	log               []*Proposal // synced
	snapshot          []*Proposal // a replica's entire state
	snapZxid          int64
	accepted, current int64
	delay             func() time.Duration // of a sync
	fail              error
}

func newMemDisk() *memDisk { return &memDisk{accepted: -1, current: -1} }

func (d *memDisk) epochs() (accepted, current int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted, d.current, nil
}

func (d *memDisk) setEpoch(name string, epoch int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name == storage.AcceptedEpochFile {
		d.accepted = epoch
	} else {
		d.current = epoch
	}
	return nil
}

func (d *memDisk) truncate(zxid int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.log, func(p *Proposal) bool { return p.Zxid() > zxid })
	if d.snapZxid > zxid || Counter(zxid) != 0 && d.snapZxid != zxid &&
		!slices.ContainsFunc(d.log, func(p *Proposal) bool { return p.Zxid() == zxid }) {
		return storage.ErrCannotTruncate
	}
	if i >= 0 {
		d.log = slices.Clone(d.log[:i])
	}
	return nil
}

func (d *memDisk) keepOnly(zxid int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.snapZxid != zxid {
		return errors.New("there is no such snapshot")
	}
	d.log = nil
	return nil
}

func (d *memDisk) diffLimit(float64) int64 { return 0 }

func (d *memDisk) since(zxid, _ int64, visit func(*Proposal) (bool, error)) error {
	d.mu.Lock()
	list := slices.Clone(d.log)
	d.mu.Unlock()
	first := 0
	for i, p := range list {
		if p.Zxid() <= zxid {
			first = i
		}
	}
	for _, p := range list[first:] {
		if more, err := visit(p); err != nil || !more {
			return err
		}
	}
	return nil
}

// state returns what a replica loads.
func (d *memDisk) state() (list []*Proposal, last int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list, last = slices.Clone(d.snapshot), d.snapZxid
	for _, p := range d.log {
		if p.Zxid() > d.snapZxid {
			list = append(list, p)
			last = p.Zxid()
		}
	}
	return list, last
}

// save stores a snapshot of the current state, and drops the log before it.
func (d *memDisk) save(list []*Proposal, zxid int64, purge bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.snapshot, d.snapZxid = slices.Clone(list), zxid
	if purge {
		d.log = slices.DeleteFunc(slices.Clone(d.log), func(p *Proposal) bool { return p.Zxid() <= zxid })
	}
}

func (d *memDisk) newLog(storage.LogOptions) logWriter { return &memLog{d: d} }

type memLog struct {
	d       *memDisk
	waiting []*Proposal
}

func (l *memLog) AppendRaw(zxid int64, raw []byte) error {
	p := &Proposal{Raw: raw}
	if err := jute.Unmarshal(raw, &p.Txn); err != nil {
		return err
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if n := len(l.d.log); n > 0 && l.d.log[n-1].Zxid() >= zxid || p.Zxid() != zxid {
		return fmt.Errorf("zxid %#x after %#x", zxid, l.d.log[n-1].Zxid())
	}
	l.waiting = append(l.waiting, p)
	return nil
}

func (l *memLog) Sync() error {
	if l.d.delay != nil {
		time.Sleep(l.d.delay())
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.d.fail != nil {
		return l.d.fail
	}
	l.d.log = append(l.d.log, l.waiting...)
	l.waiting = nil
	return nil
}

func (l *memLog) Roll() error  { return l.Sync() }
func (l *memLog) Close() error { return l.Sync() }

// Abandon loses part of the unsynced data, as a machine may.
func (l *memLog) Abandon() {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.d.log = append(l.d.log, l.waiting[:rand.IntN(len(l.waiting)+1)]...)
	l.waiting = nil
}

// fakeReplica is a list of transactions. A write is answered at the replica where it was made.
type fakeReplica struct {
	id    int64
	disk  *memDisk
	judge *judge

	proposing sync.Mutex // before mu
	next      int64      // zxid, on the leader

	mu       sync.Mutex
	list     []*Proposal
	last     int64
	leader   Leader
	learner  Learner
	observer bool
	cxid     int32
	answers  map[int32]chan bool // by cxid
	restored int
	reloaded int
	config   []byte
	saving   bool // a snapshot has become due since Retire

	beforeSnapshot func() // if set
	synced         int
	touched        map[int64]int32
	touches        map[int64]int32
	valid          map[int64]bool
}

func newFakeReplica(id int64, d *memDisk, j *judge) *fakeReplica {
	r := &fakeReplica{id: id, disk: d, judge: j, answers: map[int32]chan bool{}, touches: map[int64]int32{}, valid: map[int64]bool{}}
	r.list, r.last = d.state()
	// A cxid of an earlier run must not be mistaken for a current one.
	r.cxid = int32(len(r.list)) * 1000
	return r
}

func (r *fakeReplica) LastZxid() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// lastTxn returns the zxid of the last transaction; LastZxid may be the start of an epoch.
func (r *fakeReplica) lastTxn() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return 0
	}
	return r.list[len(r.list)-1].Zxid()
}

func (r *fakeReplica) Lead(l Leader, last int64) {
	r.proposing.Lock()
	defer r.proposing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leader, r.next, r.last = l, last+1, max(r.last, last)
	r.judge.leads(r.id, Epoch(last))
}

func (r *fakeReplica) Follow(l Learner, observer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.learner, r.observer = l, observer
}

func (r *fakeReplica) Looking(bool) {}

func (r *fakeReplica) Retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leader, r.learner, r.saving = nil, nil, false
	for _, a := range r.answers {
		close(a)
	}
	clear(r.answers)
}

func (r *fakeReplica) serving() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leader != nil || r.learner != nil
}

func (r *fakeReplica) leads() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leader != nil
}

func (r *fakeReplica) Apply(p *Proposal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Zxid() <= r.last {
		r.judge.fault("server %d applies %#x after %#x", r.id, p.Zxid(), r.last)
	}
	r.list = append(r.list, p)
	r.last = p.Zxid()
	if r.leader != nil || r.learner != nil {
		r.judge.committed(r.id, p)
	}
	if a := r.answers[p.Txn.Header.Cxid]; a != nil && p.Txn.Header.ClientID == r.id {
		r.judge.acknowledged(p)
		a <- true
		delete(r.answers, p.Txn.Header.Cxid)
	}
}

func (r *fakeReplica) Applied() {}

func (r *fakeReplica) Snapshot() (Snapshot, error) {
	if r.beforeSnapshot != nil {
		r.beforeSnapshot()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return fakeSnapshot{slices.Clone(r.list), r.last}, nil
}

type fakeSnapshot struct {
	list []*Proposal
	last int64
}

func (s fakeSnapshot) Zxid() int64 { return s.last }
func (fakeSnapshot) Abandon()      {}

// Send writes one znode for each transaction.
func (s fakeSnapshot) Send(w io.Writer) error {
	c := jute.NewEncoder(nil)
	var none int32
	c.Int(&none) // sessions
	c.Int(&none) // ACLs
	for _, p := range s.list {
		path, acl := "/"+strconv.FormatInt(p.Zxid(), 10), int64(-1)
		c.String(&path)
		c.Buffer(&p.Raw)
		c.Long(&acl)
		(&proto.StatPersisted{}).Visit(c)
	}
	end := "/"
	c.String(&end)
	_, err := w.Write(c.Bytes())
	return err
}

func (r *fakeReplica) Restore(in io.Reader, zxid int64) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	c := jute.NewDecoder(b)
	var n int32
	c.Int(&n)
	c.Int(&n)
	var list []*Proposal
	for {
		var path string
		if c.String(&path); path == "/" || c.Err() != nil {
			break
		}
		p, acl := &Proposal{}, int64(0)
		c.Buffer(&p.Raw)
		c.Long(&acl)
		(&proto.StatPersisted{}).Visit(c)
		if c.Err() == nil {
			if err := jute.Unmarshal(p.Raw, &p.Txn); err != nil {
				return err
			}
			list = append(list, p)
		}
	}
	if c.Err() != nil || c.Remaining() != 0 {
		return errors.Join(c.Err(), errors.New("not a snapshot"))
	}
	// Apache's learners would call a later one a digest mismatch when it is sent again.
	if last := lastOf(list); last > zxid {
		r.judge.fault("server %d gets a snapshot of %#x that contains %#x", r.id, zxid, last)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, r.last = list, zxid
	r.restored++
	r.disk.save(list, zxid, false)
	return nil
}

func (r *fakeReplica) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.saving {
		r.judge.fault("server %d truncates its log while it may save what is in it", r.id)
	}
	r.list, r.last = r.disk.state()
	r.reloaded++
	return nil
}

// propose proposes a transaction, if the replica leads.
func (r *fakeReplica) propose(client int64, cxid int32, data []byte) {
	r.proposing.Lock()
	defer r.proposing.Unlock()
	if l := r.leading(); l != nil {
		r.proposeTo(l, client, cxid, proto.OpSetData, data)
	}
}

func (r *fakeReplica) leading() Leader {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leader
}

func (r *fakeReplica) proposeTo(l Leader, client int64, cxid int32, op proto.Op, data []byte) {
	p := &Proposal{Txn: proto.TxnEntry{
		Header: proto.TxnHeader{ClientID: client, Cxid: cxid, Zxid: r.next, Time: time.Now().UnixMilli(), Type: op},
		Body:   &proto.SetDataTxn{Path: "/a", Data: data},
	}}
	if op == proto.OpReconfig {
		p.Config = data
	}
	p.Raw = jute.Marshal(&p.Txn)
	r.next++
	l.Propose(p)
}

func (r *fakeReplica) Submit(req *Request) {
	if req.Type == proto.OpSync {
		if l := r.leading(); l != nil {
			l.SyncAfter(req.Origin)
		}
		return
	}
	r.propose(req.Session, req.Cxid, req.Body)
}

// expect returns a channel for the answer to a write.
func (r *fakeReplica) expect() (<-chan bool, int32, Leader, Learner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cxid++
	a := make(chan bool, 1)
	if r.leader == nil && r.learner == nil {
		close(a)
	} else {
		r.answers[r.cxid] = a
	}
	return a, r.cxid, r.leader, r.learner
}

// write makes a transaction; the channel gets true once it is committed here, and is closed if that
// can no longer be known.
func (r *fakeReplica) write(data []byte) <-chan bool {
	a, cxid, leader, learner := r.expect()
	switch {
	case leader != nil:
		r.propose(r.id, cxid, data)
	case learner != nil:
		learner.Forward(&Request{Session: r.id, Cxid: cxid, Type: proto.OpSetData, Body: data})
	}
	return a
}

// reconfigure asks a leading replica for a new configuration.
func (r *fakeReplica) reconfigure(req *proto.ReconfigRequest) (<-chan bool, error) {
	a, cxid, leader, _ := r.expect()
	if leader == nil {
		return nil, errors.New("it does not lead")
	}
	r.proposing.Lock()
	defer r.proposing.Unlock()
	config, err := leader.Reconfig(req, r.next)
	if err != nil {
		return nil, err
	}
	r.proposeTo(leader, r.id, cxid, proto.OpReconfig, config)
	return a, nil
}

func (r *fakeReplica) Touch(alive map[int64]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.touches, alive)
}

func (r *fakeReplica) Revalidate(session int64, _ int32, origin Origin) bool {
	return session%2 == 0 && origin != nil
}

func (r *fakeReplica) Touched() map[int64]int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.touched
	r.touched = nil
	return t
}

func (r *fakeReplica) Revalidated(session int64, valid bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.valid[session] = valid
}

func (r *fakeReplica) Synced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.synced++
}

func (r *fakeReplica) Reconfigured(config []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.config = config
}

func mkdir(path string) error { return os.Mkdir(path, 0o700) }
func touch(path string) error { return os.WriteFile(path, nil, 0o600) }
