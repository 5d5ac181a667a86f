package logformatter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// hit is a transaction that may belong to the history, copied out of its log.
type hit struct {
	raw    []byte
	intact bool
}

// Hits reach the reader in batches of about hitBatch bytes. The scan of a log pauses while
// hitBatches batches are unread.
const (
	hitBatch   = 64 << 10
	hitBatches = 4
)

// scan is a log being read. faults may be read once hits is closed.
type scan struct {
	hits   chan []hit
	faults []error
	done   func() // call it when all hits have been read
}

// scanLogs reads the logs, as many at once as there are processors, and picks the transactions
// that want accepts. Each log is read by one goroutine; want must be safe for concurrent use.
// Read the scans in order: those further ahead pause once they have found much. wait returns soon
// after ctx is done.
func scanLogs(ctx context.Context, logs []storage.File, want func(*storage.Entry) bool) (scans []*scan, wait func()) {
	workers := min(runtime.GOMAXPROCS(0), len(logs))
	ahead := make(chan struct{}, 2*workers)
	next := make(chan int)
	for range logs {
		scans = append(scans, &scan{hits: make(chan []hit, hitBatches), done: func() { <-ahead }})
	}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for i := range next {
				scans[i].read(ctx, logs[i].Path, want)
			}
		})
	}
	running.Go(func() {
		defer close(next)
		for i := range logs {
			select {
			case ahead <- struct{}{}:
				next <- i // a worker receives it, at the latest when ctx is done
			case <-ctx.Done():
				return
			}
		}
	})
	return scans, running.Wait
}

func (s *scan) read(ctx context.Context, path string, want func(*storage.Entry) bool) {
	defer close(s.hits)
	r, err := storage.OpenLog(path)
	if err != nil {
		s.faults = append(s.faults, err)
		return
	}
	defer r.Close()
	var batch []hit
	var room []byte
	send := func() bool {
		if len(batch) == 0 {
			return ctx.Err() == nil
		}
		select {
		case s.hits <- batch:
			batch, room = nil, nil
			return true
		case <-ctx.Done():
			return false
		}
	}
	for n := 0; ; n++ {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			send()
			return
		}
		if err != nil {
			s.fault(err)
			send()
			return
		}
		if !e.Intact() {
			s.fault(damaged(r, e, storage.BadChecksum, fmt.Errorf("its checksum is %d but should be %d", e.Stored, e.Computed)))
		} else if e.EOR != 'B' && e.EOR != 0 { // if it is 0, the next call reports it
			s.fault(damaged(r, e, storage.BadEnd, fmt.Errorf("its last byte is %#02x instead of 'B'", e.EOR)))
		}
		if want(e) {
			if len(room)+len(e.Raw) > cap(room) {
				room = make([]byte, 0, max(hitBatch/8, len(e.Raw)))
			}
			from := len(room)
			room = append(room, e.Raw...)
			batch = append(batch, hit{room[from:len(room):len(room)], e.Intact()})
			if len(batch) >= hitBatch/128 || len(batch)*len(e.Raw) >= hitBatch {
				if !send() {
					return
				}
			}
		}
		if n&0xfff == 0 && ctx.Err() != nil {
			return
		}
	}
}

// fault keeps the first fault of the log, which is also the one that ends it: one sentence is
// enough.
func (s *scan) fault(err error) {
	if len(s.faults) > 0 {
		return
	}
	s.faults = append(s.faults, err)
}

// wants reports, without decoding, whether a transaction may belong to the history. Any
// closeSession may: it deletes the session's ephemerals whether or not it names them.
func (p *znodePattern) wants(e *storage.Entry) bool {
	op := e.Header.Type
	switch {
	case op == proto.OpCloseSession:
		return true
	case op == proto.OpMulti:
		return eachPart(e.Raw, func(_ proto.Op, path []byte) bool { return path != nil && p.match(path) })
	case op.HasPath():
		f := fields{b: e.Raw[32:]} // after the header
		path := f.buffer()
		return path != nil && p.match(path)
	}
	return false
}
