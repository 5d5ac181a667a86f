package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

const (
	// logBytes is how much a log holds before it is replaced: as much as ZooKeeper preallocates, so that two of them are all
	// the room that is needed.
	logBytes = 64 << 20
	// waiting is how many writes wait together in the second half: what a busy leader finds after an fsync. ZooKeeper takes up
	// to 1000 (zookeeper.maxBatchSize).
	waiting = 100
	// mostSyncs ends a phase early, before its times take more than 40 MB.
	mostSyncs = 5_000_000
)

// phase is one way of appending.
type phase struct {
	Together int     `json:"appendsPerFsync"`
	PerSec   float64 `json:"appendsPerSecond"`
	Sync     times   `json:"fsync"`
}

// journal appends to logs in a folder that holds nothing else.
type journal struct {
	dir  string
	data []byte // of each transaction
	sync func(*os.File) error

	began func() // called before each fsync
	w     *storage.LogWriter
	zxid  int64
	first int64 // zxid of the current log, which is part of its name
	bytes int   // appended to it
	took  []time.Duration
}

// run appends for a time, several transactions an fsync.
func (j *journal) run(ctx context.Context, together int, length time.Duration) (phase, error) {
	j.took = nil
	start := time.Now()
	appended := 0
	for time.Since(start) < length && len(j.took) < mostSyncs && ctx.Err() == nil {
		for range together {
			if err := j.append(); err != nil {
				return phase{}, err
			}
		}
		if err := j.w.Sync(); err != nil {
			return phase{}, err
		}
		if appended += together; j.bytes >= logBytes {
			if err := j.roll(); err != nil {
				return phase{}, err
			}
		}
	}
	p := phase{Together: together, PerSec: float64(appended) / time.Since(start).Seconds(), Sync: timesOf(j.took)}
	return p, ctx.Err()
}

func (j *journal) append() error {
	if j.w == nil {
		j.w = storage.NewLogWriter(j.dir, storage.LogOptions{Sync: j.timed})
	}
	j.zxid++
	if j.first == 0 {
		j.first = j.zxid
	}
	txn := &proto.TxnEntry{
		Header: proto.TxnHeader{ClientID: 0x100000000000001, Cxid: int32(j.zxid), Zxid: j.zxid, Time: time.Now().UnixMilli(), Type: proto.OpSetData},
		Body:   &proto.SetDataTxn{Path: "/zkctl-check/disk", Data: j.data, Version: int32(j.zxid)},
	}
	j.bytes += len(j.data)
	return j.w.Append(txn)
}

func (j *journal) timed(f *os.File) error {
	if j.began != nil {
		j.began()
	}
	start := time.Now()
	err := j.sync(f)
	j.took = append(j.took, time.Since(start))
	return err
}

// roll ends the log and removes it; the next append starts another.
func (j *journal) roll() error {
	err := j.w.Roll()
	name := filepath.Join(j.dir, storage.LogName(j.first))
	j.first, j.bytes = 0, 0
	return errors.Join(err, os.Remove(name))
}

func (j *journal) close() error {
	if j.w == nil {
		return nil
	}
	if err := j.w.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("end the log: %w", err)
	}
	return nil
}
