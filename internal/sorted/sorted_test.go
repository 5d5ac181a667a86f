package sorted

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestSorter sorts in memory and, with ever less room, outside.
func TestSorter(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	rnd := rand.New(rand.NewPCG(1, 2))
	var want []string
	for i := range 5000 {
		want = append(want, fmt.Sprintf("%04d=%d", rnd.IntN(3000), i))
	}
	for _, room := range []int{1 << 20, 20_000, 500} {
		s := NewSorter(room)
		for _, r := range want {
			key, value, _ := strings.Cut(r, "=")
			if err := s.Add([]byte(key), []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		if err := s.Each(t.Context(), func(key, value []byte) error {
			got = append(got, string(key)+"="+string(value))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		inOrder := slices.Clone(want)
		slices.SortStableFunc(inOrder, func(a, b string) int { return strings.Compare(a[:4], b[:4]) })
		if !slices.Equal(got, inOrder) {
			t.Errorf("room %d: not in order", room)
		}
		if room == 500 && s.files.made <= maxRuns {
			t.Errorf("%d runs, too few to be merged in passes", s.files.made)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// TestMap compares a map, in memory and, with ever less room, outside, with a Go map.
func TestMap(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, room := range []int{1 << 20, 20_000, 2000} {
		rnd := rand.New(rand.NewPCG(1, 2))
		m, want := NewMap(room), map[string]string{}
		put := func(key, value string) {
			m.Put([]byte(key), []byte(value))
			want[key] = value
		}
		check := func(next Next, want map[string]string) {
			t.Helper()
			for _, key := range slices.Sorted(maps.Keys(want)) {
				if k, v, err := next(); string(k) != key || string(v) != want[key] || err != nil {
					t.Fatalf("room %d: %s=%s, %v; want %s=%s", room, k, v, err, key, want[key])
				}
			}
			if k, _, err := next(); !errors.Is(err, io.EOF) {
				t.Fatalf("room %d: %s, %v; want no more", room, k, err)
			}
		}
		for i := range 6000 {
			key := fmt.Sprint(rnd.IntN(1000))
			if rnd.IntN(3) > 0 {
				put(key, fmt.Sprint(i))
			} else {
				m.Delete([]byte(key))
				delete(want, key)
			}
			if other := fmt.Sprint(rnd.IntN(1000)); string(m.Get([]byte(other))) != want[other] || m.Len() != len(want) {
				t.Fatalf("room %d: %s=%s, want %s; %d keys, want %d", room, other, m.Get([]byte(other)), want[other], m.Len(), len(want))
			}
			if i%2000 == 999 {
				next, done, err := m.Cursor()
				if err != nil {
					t.Fatal(err)
				}
				then := maps.Clone(want)
				for range 100 { // what is changed after the cursor was made does not count
					put(fmt.Sprint(rnd.IntN(1200)), "later")
				}
				check(next, then)
				done()
			}
		}
		if tables := len(m.tables); tables > 12 || room == 2000 && m.files.made < 100 {
			t.Errorf("room %d: %d tables of %d that were made", room, tables, m.files.made)
		}
		for key := range want {
			m.Delete([]byte(key))
			delete(want, key)
		}
		next, done, err := m.Cursor()
		if err != nil || m.Len() != 0 {
			t.Fatalf("room %d: %v, %d keys are left", room, err, m.Len())
		}
		check(next, want)
		done()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// TestMapFails takes a map's file away: nothing is found any more, and the error stays.
func TestMapFails(t *testing.T) {
	m := NewMap(100)
	defer m.Close()
	for i := range 10 {
		m.Put([]byte(fmt.Sprint(i)), []byte("x"))
	}
	_ = m.tables[0].file.Close()
	if v := m.Get([]byte("1")); v != nil || m.Err() == nil {
		t.Errorf("%s, %v", v, m.Err())
	}
	if _, _, err := m.Cursor(); err == nil {
		t.Error("a cursor")
	}
	m.Put([]byte("1"), []byte("y"))
}
