package zab

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
)

// JournalOptions configure how a member's history is stored.
type JournalOptions struct {
	Dir       string // version-2 of dataLogDir; "" stores nothing, for servers in memory
	Log       storage.LogOptions
	SnapCount int   // Due is called after half to all of this many transactions; 0 means 100,000
	SnapSize  int64 // or bytes; 0 means 4 GiB, negative no limit (snapSizeLimitInKb)

	// Synced is called when every proposal up to zxid is on disk; Failed when one is not, and no
	// later one will be, so that the member must stop; Due when the log has been rolled because it
	// is time for a snapshot. All are called on the journal's goroutine and must not wait for it.
	Synced func(zxid int64)
	Failed func(error)
	Due    func()

	// Slow is called with the duration of each sync of the disk (fsync.warningthresholdms); may be
	// nil.
	Slow func(time.Duration)
}

// Journal appends proposals to the transaction log on its own goroutine. All waiting proposals
// share one sync of the disk (SyncRequestProcessor).
type Journal struct {
	opt JournalOptions
	w   logWriter

	mu      sync.Mutex
	queue   []*Proposal
	waiting int64           // bytes in queue
	flushes []chan struct{} // closed when everything queued is on disk
	failed  bool
	closing bool
	crash   bool
	ready   chan struct{} // holds a token if there is something to do
	done    chan struct{}
	last    int64 // zxid of the last proposal queued

	// Only the goroutine's: since the last roll.
	count int
	size  int64
	limit int
	bytes int64
}

// OpenJournal starts a journal whose first proposal follows last.
func OpenJournal(opt JournalOptions, last int64) *Journal {
	if opt.Dir == "" {
		return openJournal(opt, noLog{}, last)
	}
	return openJournal(opt, storage.NewLogWriter(opt.Dir, opt.Log), last)
}

func openJournal(opt JournalOptions, w logWriter, last int64) *Journal {
	if opt.SnapCount == 0 {
		opt.SnapCount = 100_000
	}
	if opt.SnapSize == 0 {
		opt.SnapSize = 4 << 30
	}
	j := &Journal{opt: opt, w: w, ready: make(chan struct{}, 1), done: make(chan struct{}), last: last}
	j.deal()
	go j.run()
	return j
}

// deal draws the length of the next log at random, so that the members of an ensemble do not
// all write snapshots at once.
func (j *Journal) deal() {
	j.count, j.size = 0, 0
	j.limit = j.opt.SnapCount/2 + rand.IntN(j.opt.SnapCount/2+1)
	j.bytes = j.opt.SnapSize/2 + rand.Int64N(max(1, j.opt.SnapSize/2))
}

// Append queues a proposal. Zxids must rise.
func (j *Journal) Append(p *Proposal) {
	j.mu.Lock()
	j.queue = append(j.queue, p)
	j.waiting += int64(len(p.Raw))
	j.last = p.Zxid()
	j.mu.Unlock()
	j.wake()
}

// Last returns the zxid of the last proposal queued, on disk or not.
func (j *Journal) Last() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Flush waits until everything queued is on disk and Synced has returned; it returns false if that
// will never happen.
func (j *Journal) Flush() bool {
	j.mu.Lock()
	flushed := make(chan struct{})
	j.flushes = append(j.flushes, flushed)
	j.mu.Unlock()
	j.wake()
	select {
	case <-flushed:
	case <-j.done:
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.failed && !j.crash
}

// queued returns the number of bytes waiting to be written.
func (j *Journal) queued() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting
}

func (j *Journal) wake() {
	select {
	case j.ready <- struct{}{}:
	default:
	}
}

// Close writes everything queued to disk and ends the journal.
func (j *Journal) Close() { j.end(false) }

// Crash ends the journal as a kill would: what is queued is lost, and nothing more is synced.
func (j *Journal) Crash() { j.end(true) }

func (j *Journal) end(crash bool) {
	j.mu.Lock()
	j.closing = true
	j.crash = j.crash || crash
	j.mu.Unlock()
	j.wake()
	<-j.done
}

func (j *Journal) run() {
	defer close(j.done)
	var batch []*Proposal
	for {
		<-j.ready
		j.mu.Lock()
		batch, j.queue = j.queue, batch[:0]
		flushes := j.flushes
		j.flushes, j.waiting = nil, 0
		closing, crash := j.closing, j.crash
		j.mu.Unlock()
		if crash {
			j.w.Abandon()
			return
		}
		if len(batch) > 0 {
			if err := j.write(batch); err != nil {
				_ = j.w.Close()
				j.fail(err, flushes)
				j.drain()
				return
			}
			clear(batch)
		}
		for _, f := range flushes {
			close(f)
		}
		if closing {
			if err := j.w.Close(); err != nil {
				j.fail(err, nil)
			}
			return
		}
	}
}

// fail reports a failure.
func (j *Journal) fail(err error, flushes []chan struct{}) {
	j.mu.Lock()
	j.failed = true
	j.mu.Unlock()
	for _, f := range flushes {
		close(f)
	}
	j.opt.Failed(err)
}

// drain waits for Close after a failure.
func (j *Journal) drain() {
	for {
		j.mu.Lock()
		j.queue, j.waiting = nil, 0
		for _, f := range j.flushes {
			close(f)
		}
		j.flushes = nil
		closing := j.closing
		j.mu.Unlock()
		if closing {
			return
		}
		<-j.ready
	}
}

// write writes a batch to disk and calls Synced.
func (j *Journal) write(batch []*Proposal) error {
	last := batch[len(batch)-1].Zxid()
	if _, none := j.w.(noLog); none {
		j.opt.Synced(last)
		return nil
	}
	for _, p := range batch {
		if err := j.w.AppendRaw(p.Zxid(), p.Raw); err != nil {
			return fmt.Errorf("log transaction %#x: %w", p.Zxid(), err)
		}
		j.count++
		j.size += int64(len(p.Raw))
	}
	start := time.Now()
	if err := j.w.Sync(); err != nil {
		return fmt.Errorf("log transaction %#x: %w", last, err)
	}
	if j.opt.Slow != nil {
		j.opt.Slow(time.Since(start))
	}
	j.opt.Synced(last)
	if j.count > j.limit || j.opt.SnapSize > 0 && j.size > j.bytes {
		if err := j.w.Roll(); err != nil {
			return fmt.Errorf("roll the transaction log: %w", err)
		}
		j.deal()
		if j.opt.Due != nil {
			j.opt.Due()
		}
	}
	return nil
}
