package zab

import (
	"fmt"
	"slices"
	"sync"
)

// judge checks what all replicas together must never do.
type judge struct {
	mu      sync.Mutex
	faults  []string
	leaders map[int64]int64     // by epoch
	history map[int64]*Proposal // committed, by zxid
	acked   map[int64]*Proposal
}

func newJudge() *judge {
	return &judge{leaders: map[int64]int64{}, history: map[int64]*Proposal{}, acked: map[int64]*Proposal{}}
}

func (j *judge) fault(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.faults) < 10 {
		j.faults = append(j.faults, fmt.Sprintf(format, args...))
	}
}

func (j *judge) leads(id, epoch int64) {
	j.mu.Lock()
	other, ok := j.leaders[epoch]
	j.leaders[epoch] = id
	j.mu.Unlock()
	if ok {
		j.fault("servers %d and %d both lead in epoch %d", other, id, epoch)
	}
}

func (j *judge) committed(id int64, p *Proposal) {
	j.mu.Lock()
	other := j.history[p.Zxid()]
	if other == nil {
		j.history[p.Zxid()] = p
	}
	j.mu.Unlock()
	if other != nil && !slices.Equal(other.Raw, p.Raw) {
		j.fault("server %d commits another transaction %#x", id, p.Zxid())
	}
}

func (j *judge) acknowledged(p *Proposal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.acked[p.Zxid()] = p
}
