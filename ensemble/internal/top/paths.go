package top

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

const (
	// pathWindow is the time over which writes are counted.
	pathWindow = 10 * time.Second
	// maxPaths limits how many paths are counted separately in a second.
	maxPaths = 10_000
)

// written is how often, and how much, a path is written.
type written struct {
	path   string
	txns   float64 // per second
	bytes  float64 // per second, of the transactions
	last   string  // operation
	lastAt time.Time
}

// second holds the writes of one second.
type second struct {
	at     int64 // in seconds since 1970
	counts map[string]*tally
}

type tally struct {
	txns, bytes int64
	last        proto.Op
	lastAt      int64 // ms since 1970
}

// pathLog follows a transaction log and counts writes. One goroutine follows, another asks.
type pathLog struct {
	dir string

	mu   sync.Mutex
	ring [int(pathWindow/time.Second) + 1]second
	err  error
}

// openPathLog looks for the logs in a data directory. A new server has none.
func openPathLog(dir string) (*pathLog, error) {
	if _, err := storage.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("--log: %w", err)
	}
	return &pathLog{dir: dir}, nil
}

// newest waits for a log and returns the last one; "" if ctx ended.
func (l *pathLog) newest(ctx context.Context) (string, error) {
	for {
		d, err := storage.ReadDir(l.dir)
		if err != nil {
			return "", err
		}
		if n := len(d.Logs); n > 0 {
			return d.Logs[n-1].Path, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// follow counts until ctx ends, or the log cannot be read any more.
func (l *pathLog) follow(ctx context.Context) {
	err := l.entries(ctx)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *pathLog) entries(ctx context.Context) error {
	file, err := l.newest(ctx)
	if err != nil {
		return err
	}
	var txn proto.TxnEntry
	return storage.Follow(ctx, file, func(_ *storage.LogReader, e *storage.Entry) error {
		if time.Since(time.UnixMilli(e.Header.Time)) > pathWindow || !e.Intact() {
			return nil
		}
		if err := e.Decode(&txn); err != nil {
			return nil //nolint:nilerr // it has no path to count
		}
		l.count(&txn, int64(len(e.Raw)))
		return nil
	})
}

func (l *pathLog) count(txn *proto.TxnEntry, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch body := txn.Body.(type) {
	case *proto.MultiTxn:
		for _, part := range body.Txns {
			if record, err := part.Decode(); err == nil {
				l.add(txn.Header.Time, part.Type, record, int64(len(part.Data)))
			}
		}
	default:
		l.add(txn.Header.Time, txn.Header.Type, body, size)
	}
}

func (l *pathLog) add(ms int64, op proto.Op, record any, size int64) {
	pathed, ok := record.(proto.Pathed)
	if !ok {
		return
	}
	if _, check := record.(*proto.CheckVersionTxn); check {
		return
	}
	at := ms / 1000
	s := &l.ring[int(uint64(at)%uint64(len(l.ring)))]
	if s.at != at {
		*s = second{at: at, counts: map[string]*tally{}}
	}
	name := *pathed.ZnodePath()
	t := s.counts[name]
	if t == nil {
		if len(s.counts) >= maxPaths {
			name = "(others)"
			if t = s.counts[name]; t == nil {
				t = &tally{}
				s.counts[name] = t
			}
		} else {
			t = &tally{}
			s.counts[strings.Clone(name)] = t
		}
	}
	t.txns++
	t.bytes += size
	t.last, t.lastAt = op, ms
}

// rates returns the writes per second over the last whole seconds, grouped by parent if byParent is set.
func (l *pathLog) rates(now time.Time, byParent bool) ([]*written, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sums := map[string]*tally{}
	oldest := now.Add(-pathWindow).Unix()
	for _, s := range l.ring {
		if s.at <= oldest || s.at > now.Unix() {
			continue
		}
		for name, t := range s.counts {
			if byParent {
				name = path.Dir(name)
			}
			sum := sums[name]
			if sum == nil {
				sum = &tally{}
				sums[name] = sum
			}
			sum.txns += t.txns
			sum.bytes += t.bytes
			if t.lastAt >= sum.lastAt {
				sum.last, sum.lastAt = t.last, t.lastAt
			}
		}
	}
	span := pathWindow.Seconds()
	list := make([]*written, 0, len(sums))
	for name, t := range sums {
		list = append(list, &written{name, float64(t.txns) / span, float64(t.bytes) / span, t.last.String(), time.UnixMilli(t.lastAt)})
	}
	return list, l.err
}
