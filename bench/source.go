package bench

import (
	"fmt"
	"math/rand/v2"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/proto"
)

// source is the requests of one client.
type source struct {
	p     *plan
	at    *places
	i     int
	pick  []uint8 // kinds, each as often as its weight says; nil if there is one
	rng   rand.PCG
	data  []byte
	path  []byte
	multi proto.MultiRequest

	// Znodes of create and delete: from first on, before next.
	first, next uint64
	generation  int
	fresh       uint64 // names of ephemeral and multi
}

const (
	// mostCreated is how many znodes of create a client leaves at a time.
	mostCreated = 2000
	// together is how many are created or deleted in a transaction that is not measured.
	together = 100
	// togetherBytes bounds such a transaction; servers refuse more than jute.maxbuffer.
	togetherBytes = 400 << 10
)

func newSource(p *plan, at *places, i int) *source {
	s := &source{p: p, at: at, i: i, data: payload(p.size)}
	s.rng.Seed(uint64(i)+1, rand.Uint64())
	if len(p.mix) > 1 {
		s.pick = shares(p.mix)
	}
	return s
}

// shares are kinds in the proportion of their weights.
func shares(m mix) (pick []uint8) {
	const entries = 1 << 12
	total := 0
	for _, p := range m {
		total += p.weight
	}
	sum := 0
	for kind, p := range m {
		sum += p.weight
		for upTo := (sum*entries + total/2) / total; len(pick) < upTo; {
			pick = append(pick, uint8(kind))
		}
	}
	return pick
}

// payload is data that says where it is from.
func payload(size int) []byte {
	const text = "zkctl bench "
	b := make([]byte, size)
	for i := range b {
		b[i] = text[i%len(text)]
	}
	return b
}

// mode is that of the znodes.
func (p *plan) mode() proto.CreateMode {
	if p.persistent {
		return proto.Persistent
	}
	return proto.Ephemeral
}

// Open makes the client's znodes.
func (s *source) Open(w *client.Wire, resumed bool) error {
	if resumed { // nobody knows which of the others are there
		s.generation++
		s.first, s.next = 0, 0
		return nil
	}
	var ops []proto.MultiOp
	bytes, xid := 0, int32(0)
	send := func() error {
		if len(ops) == 0 {
			return nil
		}
		xid++
		res := proto.MultiResponse{Most: len(ops)}
		if err := w.Call(xid, proto.OpMulti, &proto.MultiRequest{Ops: ops}, &res); err != nil {
			return fmt.Errorf("create %s: %w", s.at.folderPath(s.i), err)
		}
		for _, r := range res.Results {
			if r.Err != proto.OK && r.Err != proto.ErrRuntimeInconsistency && r.Err != proto.ErrNodeExists {
				return fmt.Errorf("create znodes in %s: %w", s.at.folderPath(s.i), r.Err)
			}
		}
		ops, bytes = ops[:0], 0
		return nil
	}
	create := func(path []byte) error {
		ops = append(ops, s.creation(path))
		if bytes += len(path) + len(s.data) + 100; len(ops) >= together || bytes >= togetherBytes {
			return send()
		}
		return nil
	}
	if s.p.mix.needsKeys() {
		for key := s.i; key < s.p.keys; key += s.p.clients {
			if err := create(s.key(key)); err != nil {
				return err
			}
		}
	}
	if s.p.mix.has(opWatch) {
		if err := create(s.watched()); err != nil {
			return err
		}
	}
	return send()
}

// key is the path of a key, valid until the next path.
func (s *source) key(n int) []byte {
	return s.name(n%s.p.clients, 'k', uint64(n))
}

func (s *source) watched() []byte { return s.name(s.i, 'w', 0) }

// name is the path of a znode in a client's folder, valid until the next one.
func (s *source) name(folder int, kind byte, n uint64) []byte {
	s.path = append(append(s.path[:0], s.at.folders[folder]...), '/', kind)
	s.path = appendNumber(s.path, n)
	return s.path
}

// created is the path of a znode of create.
func (s *source) created(n uint64) []byte {
	return s.name(s.i, 'n', uint64(s.generation)*generationSize+n)
}

// generationSize separates the names of what was created before and after a lost connection.
const generationSize = 1e9

// appendNumber adds the number with ten digits.
func appendNumber(b []byte, n uint64) []byte {
	const zeros = "0000000000"
	at := len(b) + len(zeros)
	b = append(b, zeros...)
	for i := at - 1; n > 0 && i >= at-len(zeros); i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// random is a number below n.
func (s *source) random(n int) int { return int(s.rng.Uint64()>>33) % n }

// Next implements load.Source.
func (s *source) Next(b *load.Batch) {
	kind := 0
	if s.pick != nil {
		kind = int(s.pick[s.rng.Uint64()>>52])
	}
	b.Kind(kind)
	switch s.p.mix[kind].op {
	case opGet:
		b.Read(load.Ends, proto.OpGetData, s.key(s.random(s.p.keys)), false)
	case opExists:
		b.Read(load.Ends, proto.OpExists, s.key(s.random(s.p.keys)), false)
	case opChildren:
		b.Read(load.Ends, proto.OpGetChildren, s.at.folders[s.random(s.p.clients)], false)
	case opSet:
		b.Set(load.Ends, s.key(s.random(s.p.keys)), s.data)
	case opCreate:
		if s.next-s.first >= mostCreated {
			s.many(b, false)
		}
		b.Create(load.Ends, s.created(s.next), s.data, s.p.mode())
		s.next++
	case opDelete:
		if s.next == s.first {
			s.many(b, true)
		}
		b.Delete(load.Ends, s.created(s.first))
		s.first++
	case opEphemeral:
		s.fresh++
		path := s.name(s.i, 'e', s.fresh)
		b.Create(load.Part, path, s.data, proto.Ephemeral)
		b.Delete(load.Ends, path)
	case opMulti:
		s.transaction(b)
	case opWatch:
		path := s.watched()
		b.Read(load.Part, proto.OpGetData, path, true)
		b.Set(load.ByEvent, path, s.data)
	}
}

// many creates znodes to delete, or deletes created ones.
func (s *source) many(b *load.Batch, create bool) {
	req := &proto.MultiRequest{}
	n := uint64(max(1, min(together, togetherBytes/(s.p.size+150))))
	for range n {
		if create {
			req.Ops = append(req.Ops, s.creation(s.created(s.next)))
			s.next++
		} else {
			req.Ops = append(req.Ops, proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: string(s.created(s.first)), Version: -1}})
			s.first++
		}
	}
	b.Record(load.Aside, proto.OpMulti, req)
}

// transaction creates, sets and deletes a znode at once.
func (s *source) transaction(b *load.Batch) {
	s.fresh++
	path := string(s.name(s.i, 'm', s.fresh))
	s.multi.Ops = append(s.multi.Ops[:0],
		proto.MultiOp{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: path, Data: s.data, ACL: proto.OpenACL}},
		proto.MultiOp{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: path, Data: s.data, Version: -1}},
		proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: path, Version: -1}})
	b.Record(load.Multi, proto.OpMulti, &s.multi)
}

// creation is the create of a znode as part of a transaction, which servers of all releases know.
func (s *source) creation(path []byte) proto.MultiOp {
	return proto.MultiOp{Type: proto.OpCreate, Request: &proto.CreateRequest{Path: string(path), Data: s.data, ACL: proto.OpenACL, Flags: s.p.mode()}}
}
