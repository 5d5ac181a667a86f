package storage

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestPlanPurge(t *testing.T) {
	names := func(files []File) (list []string) {
		for _, f := range files {
			list = append(list, filepath.Base(f.Path))
		}
		return list
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/standalone")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		count                 int
		keep, snapshots, logs []string
	}{
		{3, []string{"snapshot.95.gz", "snapshot.f5.snappy", "snapshot.102.snappy"},
			[]string{"snapshot.0", "snapshot.36", "snapshot.71", "snapshot.77.gz"}, []string{"log.1", "log.38", "log.73"}},
		{4, []string{"snapshot.77.gz", "snapshot.95.gz", "snapshot.f5.snappy", "snapshot.102.snappy"},
			[]string{"snapshot.0", "snapshot.36", "snapshot.71"}, []string{"log.1", "log.38"}},
		{7, []string{"snapshot.0", "snapshot.36", "snapshot.71", "snapshot.77.gz", "snapshot.95.gz", "snapshot.f5.snappy", "snapshot.102.snappy"}, nil, nil},
	} {
		d, err := ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		p, err := PlanPurge(context.Background(), d, d, c.count)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(names(p.Keep), c.keep) || !slices.Equal(names(p.Snapshots), c.snapshots) || !slices.Equal(names(p.Logs), c.logs) || p.Damaged != nil {
			t.Errorf("%d: keep %v, delete %v and %v", c.count, names(p.Keep), names(p.Snapshots), names(p.Logs))
		}
	}

	// A damaged snapshot does not count, and stays when it is newer than the oldest kept.
	b, err := os.ReadFile("testdata/damaged/snapshot.bit-flip")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "snapshot.110"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := PlanPurge(context.Background(), d, d, 3)
	if err != nil || len(p.Damaged) != 1 || names(p.Keep)[0] != "snapshot.95.gz" || slices.Contains(names(p.Snapshots), "snapshot.110") {
		t.Errorf("%+v, %v", p, err)
	}
}
