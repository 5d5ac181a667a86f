package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// truncatable writes transactions 1..12 of epoch 1 into logs of four, and snapshots at the given
// zxids.
func truncatable(t *testing.T, snapshots ...int64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "version-2")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := NewLogWriter(dir, LogOptions{Preallocate: 4 << 10})
	for n := int64(1); n <= 12; n++ {
		zxid := 1<<32 | n
		txn := &proto.TxnEntry{Header: proto.TxnHeader{Zxid: zxid, Time: n, Type: proto.OpCreate},
			Body: &proto.CreateTxn{Path: "/n" + string(rune('a'+n)), ParentCVersion: int32(n)}}
		if err := w.Append(txn); err != nil {
			t.Fatal(err)
		}
		if n%4 == 0 {
			if err := w.Roll(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range snapshots {
		tree, _, err := d.Load(context.Background(), LoadOptions{Zxid: 1<<32 | n})
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteSnapshot(filepath.Join(dir, SnapshotName(1<<32|n, "")), tree, SnapshotOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func lastOf(t *testing.T, dir string) int64 {
	t.Helper()
	d, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	tree, faults, err := d.Load(context.Background(), LoadOptions{Strict: true})
	if err != nil || len(faults) > 0 {
		t.Fatalf("load: %v, %v", faults, err)
	}
	return tree.LastZxid()
}

func TestTruncate(t *testing.T) {
	for n := int64(1); n <= 12; n++ {
		dir := truncatable(t, 3, 8)
		zxid := 1<<32 | n
		if err := Truncate(dir, dir, zxid); err != nil {
			t.Fatalf("to %d: %v", n, err)
		}
		if last := lastOf(t, dir); last != zxid {
			t.Errorf("to %d: the last transaction is %#x", n, last)
		}
		w := NewLogWriter(dir, LogOptions{Preallocate: 4 << 10})
		next := &proto.TxnEntry{Header: proto.TxnHeader{Zxid: 2<<32 | 1, Type: proto.OpCreate}, Body: &proto.CreateTxn{Path: "/next", ParentCVersion: 99}}
		if err := errors.Join(w.Append(next), w.Close()); err != nil {
			t.Fatal(err)
		}
		if last := lastOf(t, dir); last != 2<<32|1 {
			t.Errorf("to %d and on: the last transaction is %#x", n, last)
		}
		// The zxid that starts an epoch is not a transaction.
		if err := Truncate(dir, dir, 2<<32); err != nil {
			t.Fatal(err)
		}
		if last := lastOf(t, dir); last != zxid {
			t.Errorf("to %d, back from epoch 2: the last transaction is %#x", n, last)
		}
	}
}

func TestCannotTruncate(t *testing.T) {
	for name, tc := range map[string]struct {
		zxid   int64
		snaps  []int64
		remove string
	}{
		"a transaction it does not have": {zxid: 1<<32 | 99},
		"of another epoch":               {zxid: 2<<32 | 1},
		"purged":                         {zxid: 1<<32 | 5, snaps: []int64{8}, remove: "log.100000001"},
		"a gap":                          {zxid: 1<<32 | 10, snaps: []int64{3}, remove: "log.100000005"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := truncatable(t, tc.snaps...)
			if tc.remove != "" {
				if err := os.Remove(filepath.Join(dir, tc.remove)); err != nil {
					t.Fatal(err)
				}
			}
			before, _ := os.ReadDir(dir)
			if err := Truncate(dir, dir, tc.zxid); !errors.Is(err, ErrCannotTruncate) {
				t.Errorf("%v", err)
			}
			if after, _ := os.ReadDir(dir); len(after) != len(before) {
				t.Errorf("%d files of %d are left", len(after), len(before))
			}
		})
	}
}

// A crash after any step leaves a state between the requested one and the previous one.
func TestTruncateCrash(t *testing.T) {
	for step := 0; ; step++ {
		dir := truncatable(t, 3, 6, 8, 12)
		d, err := ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := planTruncate(d.Snapshots, d.Logs, 1<<32|2)
		if err != nil {
			t.Fatal(err)
		}
		all := len(plan.snapshots) + len(plan.logs)
		part := truncation{snapshots: plan.snapshots[max(0, len(plan.snapshots)-step):]}
		if more := step - len(plan.snapshots); more > 0 {
			part.logs = plan.logs[max(0, len(plan.logs)-more):]
		}
		if err := part.carryOut(dir, dir); err != nil {
			t.Fatal(err)
		}
		if last := lastOf(t, dir); last < 1<<32|2 {
			t.Fatalf("after %d of %d steps the last transaction is %#x", step, all, last)
		}
		// The leader asks again after the restart.
		if err := Truncate(dir, dir, 1<<32|2); err != nil {
			t.Fatal(err)
		}
		if last := lastOf(t, dir); last != 1<<32|2 {
			t.Fatalf("after %d of %d steps, again: %#x", step, all, last)
		}
		if step == all {
			break
		}
	}
}

// A crash after any step of KeepOnly leaves the previous state or the snapshot's.
func TestKeepOnly(t *testing.T) {
	for _, n := range []int64{8, 12} {
		for step := 0; ; step++ {
			dir := truncatable(t, 3, 8, 12)
			d, err := ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := planKeepOnly(d.Snapshots, d.Logs, 1<<32|n)
			if err != nil {
				t.Fatal(err)
			}
			all := len(plan.snapshots) + len(plan.logs) + len(plan.older)
			part, left := truncation{}, step
			some := func(list []File) []File {
				k := min(left, len(list))
				left -= k
				return list[len(list)-k:]
			}
			part.snapshots, part.logs, part.older = some(plan.snapshots), some(plan.logs), some(plan.older)
			if err := part.carryOut(dir, dir); err != nil {
				t.Fatal(err)
			}
			if last := lastOf(t, dir); last > 1<<32|12 || last < 1<<32|n {
				t.Fatalf("after %d of %d steps the last transaction is %#x", step, all, last)
			}
			if err := KeepOnly(dir, dir, 1<<32|n); err != nil {
				t.Fatal(err)
			}
			if last := lastOf(t, dir); last != 1<<32|n {
				t.Errorf("the last transaction is %#x", last)
			}
			if d, _ := ReadDir(dir); len(d.Logs) != 0 || len(d.Snapshots) != 1 {
				t.Errorf("%+v", d)
			}
			if step == all {
				break
			}
		}
	}
	dir := truncatable(t, 3)
	if err := KeepOnly(dir, dir, 1<<32|5); err == nil {
		t.Error("without a snapshot")
	}
}

func TestWriteEpoch(t *testing.T) {
	dir := t.TempDir()
	for _, epoch := range []int64{0, 7, 12} {
		if err := errors.Join(WriteEpoch(dir, AcceptedEpochFile, epoch+1), WriteEpoch(dir, CurrentEpochFile, epoch)); err != nil {
			t.Fatal(err)
		}
		d, err := ReadDir(dir)
		if err != nil || d.AcceptedEpoch != epoch+1 || d.CurrentEpoch != epoch {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	if err := WriteEpoch(filepath.Join(dir, "none"), CurrentEpochFile, 1); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
