package logformatter

import "github.com/zkctl/zkctl/internal/storage"

// ahead reads a log and checks its checksums on its own goroutine while the entries read before
// are formatted. It is not safe for concurrent use.
type ahead struct {
	full  chan *batchRead // closed after the batch that has an error
	empty chan *batchRead
	stop  chan struct{}

	now *batchRead // the batch that Next returns entries of
}

type batchRead struct {
	storage.Batch
	err error // met after the batch
}

func readAhead(r *storage.LogReader) *ahead {
	const batches = 3 // one in work at each end, one in between
	a := &ahead{
		full:  make(chan *batchRead, batches),
		empty: make(chan *batchRead, batches),
		stop:  make(chan struct{}),
		now:   &batchRead{},
	}
	for range batches - 1 {
		a.empty <- &batchRead{}
	}
	go func() {
		defer close(a.full)
		for {
			select {
			case <-a.stop:
				return
			case b := <-a.empty:
				b.err = r.NextBatch(&b.Batch)
				a.full <- b
				if b.err != nil {
					return
				}
			}
		}
	}()
	return a
}

// Next is LogReader.Next.
func (a *ahead) Next() (*storage.Entry, error) {
	for {
		if e := a.now.Next(); e != nil {
			return e, nil
		}
		if a.now.err != nil {
			return nil, a.now.err
		}
		a.empty <- a.now
		a.now = <-a.full
	}
}

// close waits for the goroutine to end; after that the LogReader can be closed.
func (a *ahead) close() {
	close(a.stop)
	for range a.full {
	}
}
