package zab

import "sync"

const (
	historyCount = 500 // without PeerOptions.History
	historyBytes = 64 << 20
)

// history is the last committed proposals, from which members that were down for a while are
// brought up to date (ZKDatabase.committedLog).
type history struct {
	mu    sync.Mutex
	limit int         // maximum length
	list  []*Proposal // in zxid order
	bytes int64
}

func (h *history) add(p *Proposal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, p)
	h.bytes += int64(len(p.Raw))
	n := 0
	for len(h.list)-n > 1 && (len(h.list)-n > h.limit || h.bytes > historyBytes) {
		h.bytes -= int64(len(h.list[n].Raw))
		h.list[n] = nil
		n++
	}
	h.list = h.list[n:]
}

func (h *history) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list, h.bytes = nil, 0
}

// all returns a copy of the list.
func (h *history) all() []*Proposal {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Proposal(nil), h.list...)
}
