package storage

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// randomLog returns a log of 60 transactions, where each starts, and where the last ends.
func randomLog(t *testing.T, rnd *rand.Rand, preallocate int64) (log []byte, starts []int) {
	t.Helper()
	dir := t.TempDir()
	w := NewLogWriter(dir, LogOptions{Preallocate: preallocate, NoSync: true})
	for n := int64(1); n <= 60; n++ {
		data := make([]byte, rnd.IntN(900))
		for i := range data {
			data[i] = byte(1 + rnd.IntN(255))
		}
		txn := &proto.TxnEntry{Header: proto.TxnHeader{Zxid: n, Time: n, Type: proto.OpCreate},
			Body: &proto.CreateTxn{Path: "/n" + proto.Hex(n), Data: data, ParentCVersion: int32(n)}}
		if err := errors.Join(w.Append(txn), w.Sync()); err != nil {
			t.Fatal(err)
		}
		starts = append(starts, int(w.written()))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, LogName(1)))
	if err != nil {
		t.Fatal(err)
	}
	return log, append([]int{fileHeaderSize}, starts...)
}

// startOn returns what a server would load from a log, its first.
func startOn(t *testing.T, log []byte) (last int64, faults []*Fault, err error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, LogName(1)), log, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDirs(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, faults, err := d.LoadForServer(false)
	if err != nil {
		return 0, faults, err
	}
	return tree.LastZxid(), faults, nil
}

// Whatever is overwritten before the last transaction, a server does not start without the rest.
func TestDamageNeverHidesTransactions(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 1))
	for _, preallocate := range []int64{-1, 64 << 10} {
		log, starts := randomLog(t, rnd, preallocate)
		for range 300 {
			entry := rnd.IntN(58)
			at := starts[entry] + rnd.IntN(starts[entry+1]-starts[entry])
			bytes := log[at:min(at+1+rnd.IntN(20), starts[59])]
			before := string(bytes)
			for i := range bytes {
				bytes[i] ^= byte(1 + rnd.IntN(255))
			}
			if last, faults, err := startOn(t, log); err == nil && last < 60 {
				t.Errorf("%d bytes at %d, in transaction %#x: it starts with %#x, faults %v", len(bytes), at, entry+1, last, faults)
			}
			copy(bytes, before)
		}
	}
}

// A machine fails while a server waits for a Sync: of what it wrote since the previous one, some
// blocks are on disk, in any order. The server starts, with everything that was synced. Only a
// checksum can stop it, as it stops Apache's: in an entry longer than a block, it may be wrong
// although the end is there.
func TestCrashWhileWritingStarts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 2))
	for _, preallocate := range []int64{-1, 64 << 10} {
		log, starts := randomLog(t, rnd, preallocate)
		for range 300 {
			synced := rnd.IntN(60)
			disk := make([]byte, len(log))
			copy(disk, log[:starts[synced]])
			for block := starts[synced] / diskBlock * diskBlock; block < len(log); block += diskBlock {
				if rnd.IntN(2) == 0 {
					copy(disk[block:], log[block:min(block+diskBlock, len(log))])
				}
			}
			last, faults, err := startOn(t, disk)
			var f *Fault
			if errors.As(err, &f) && f.Kind == BadChecksum && f.Offset >= int64(starts[synced]) {
				continue
			}
			if err != nil || last < int64(synced) {
				t.Errorf("%#x was synced: it has %#x, %v %v", synced, last, faults, err)
			}
		}
	}
}

// A reader of a log that a server is writing never reports damage.
func TestReadBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	w := NewLogWriter(dir, LogOptions{Preallocate: 64 << 10, NoSync: true})
	write := func(zxid int64) error {
		txn := &proto.TxnEntry{Header: proto.TxnHeader{Zxid: zxid, Type: proto.OpCreate}, Body: &proto.CreateTxn{Path: "/n" + proto.Hex(zxid), ParentCVersion: int32(zxid)}}
		return errors.Join(w.Append(txn), w.Sync())
	}
	if err := write(1); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		for zxid := int64(2); zxid <= 5000 && err == nil; zxid++ {
			err = write(zxid)
		}
		done <- errors.Join(err, w.Close())
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if running = false; err != nil {
				t.Fatal(err)
			}
		default:
		}
		d, err := ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, faults, err := d.Load(context.Background(), LoadOptions{})
		for _, f := range faults {
			if !f.ofCrash() {
				t.Error(f)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
