package logformatter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// flushEvery is how long a transaction of a followed log may wait to be written together with
// others.
const flushEvery = 20 * time.Millisecond

// follow prints a live log, and the logs that the server starts after it, until the context ends.
func (d *dumper) follow(ctx context.Context) error {
	if len(d.opt.Args) != 1 {
		return errors.New("-f needs exactly one log or directory")
	}
	path := d.opt.Args[0]
	if isDir(path) {
		logs, err := findLogs(d.opt.Args)
		if err != nil {
			return err
		}
		path = logs[len(logs)-1].Path
	}
	d.out = ui.NewBatches(d.opt.Streams.Out, nil)
	var mu sync.Mutex // guards d
	stop := make(chan struct{})
	var flusher sync.WaitGroup
	flusher.Go(func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				mu.Lock()
				if len(d.out.Text) > 0 {
					_ = d.out.Drain()
				}
				mu.Unlock()
			}
		}
	})
	err := d.begin(path)
	if err == nil {
		err = storage.Follow(ctx, path, func(r *storage.LogReader, e *storage.Entry) error {
			mu.Lock()
			defer mu.Unlock()
			return d.followed(r, e)
		})
	}
	close(stop)
	flusher.Wait()
	if closeErr := d.out.Close(); closeErr != nil && (err == nil || errors.Is(err, errLimit)) {
		err = closeErr
	}
	switch {
	case errors.Is(err, errLimit):
		return nil
	case ctx.Err() != nil:
		return &ui.ExitError{Code: ui.ExitInterrupted}
	}
	return err
}

// begin prints, with --tail, the end of what is already in the log; later calls do not repeat it.
func (d *dumper) begin(path string) error {
	if d.opt.Tail < 0 {
		return nil
	}
	err := eachEntry(path, func(r *storage.LogReader, e *storage.Entry) error {
		d.passed = e.Header.Zxid
		if d.filter.match(e) {
			d.keep(r, e)
		}
		return nil
	})
	var fault *storage.Fault
	if err != nil && !errors.As(err, &fault) { // a record still being written looks like one
		return err
	}
	if err := d.printTail(); err != nil {
		return err
	}
	d.opt.Tail = -1
	return d.out.Drain()
}

func (d *dumper) followed(r *storage.LogReader, e *storage.Entry) error {
	if e.Header.Zxid <= d.passed {
		return nil
	}
	if r.Name() != d.current {
		d.current = r.Name()
		if !d.json {
			d.out.Text = appendFileHead(d.out.Text, r)
		}
	}
	if d.filter.match(e) {
		d.shown++
		err := d.print(e.Raw, e.Intact(), e.Stored, func(err error) error { return damaged(r, e, storage.BadRecord, err) })
		if err != nil {
			return err
		}
		if d.opt.Limit > 0 && d.shown >= d.opt.Limit {
			return errLimit
		}
	}
	if e.EOR != 'B' && e.EOR != 0 {
		if err := d.fault(damaged(r, e, storage.BadEnd, fmt.Errorf("its last byte is %#02x instead of 'B'", e.EOR))); err != nil {
			return err
		}
	}
	return d.out.More()
}
