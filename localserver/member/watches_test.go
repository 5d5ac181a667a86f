package member

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

var watchEvents = map[proto.EventType]string{
	proto.EventNodeCreated: "created", proto.EventNodeDeleted: "deleted",
	proto.EventNodeDataChanged: "data", proto.EventNodeChildrenChanged: "children",
}

// watchScript runs lines such as "add data once /a 1", "delete /a", and notes the events.
func watchScript(t *testing.T, w *watches[int], line string) (told []string) {
	t.Helper()
	f := strings.Fields(line)
	tell := func(who int, path string, e proto.EventType) {
		told = append(told, fmt.Sprintf("%d %s %s", who, watchEvents[e], path))
	}
	who := func(s string) (n int) { fmt.Sscan(s, &n); return n }
	switch f[0] {
	case "data":
		w.add(f[1], who(f[2]), dataWatches, oneShot)
	case "child":
		w.add(f[1], who(f[2]), childWatches, oneShot)
	case "persistent":
		w.addWatch(f[1], who(f[2]), proto.WatchPersistent)
	case "recursive":
		w.addWatch(f[1], who(f[2]), proto.WatchPersistentRecursive)
	case "create":
		w.created(f[1], tell)
	case "delete":
		w.deleted(f[1], tell)
	case "set":
		w.dataChanged(f[1], tell)
	case "remove":
		kind := map[string]proto.WatcherType{"data": proto.WatcherData, "child": proto.WatcherChildren, "any": proto.WatcherAny}[f[3]]
		told = append(told, fmt.Sprint(w.remove(f[1], who(f[2]), kind)))
	case "close":
		w.removeAll(who(f[1]))
	default:
		t.Fatal(line)
	}
	return told
}

func TestWatches(t *testing.T) {
	for name, script := range map[string]string{
		"a one-shot fires once": `
			data /a 1
			set /a: 1 data /a
			set /a:`,
		"created, then the parent's children": `
			data /a/b 1
			child /a 2
			child /a 1
			create /a/b: 1 created /a/b, 2 children /a, 1 children /a
			create /a/c:`,
		"the root's children": `
			child / 1
			create /a: 1 children /`,
		"deleted once to who watches both": `
			data /a 1
			child /a 1
			child /a 2
			child / 2
			delete /a: 1 deleted /a, 2 deleted /a, 2 children /
			create /a/b:`,
		"data does not fire a child watch": `
			child /a 1
			set /a:
			delete /a/x: 1 children /a`,
		"persistent hears all four, and stays": `
			persistent /a 1
			create /a: 1 created /a
			create /a/b: 1 children /a
			set /a: 1 data /a
			set /a/b:
			delete /a/b: 1 children /a
			delete /a: 1 deleted /a
			create /a: 1 created /a`,
		"recursive hears below, and never of children": `
			recursive /a 1
			create /a: 1 created /a
			create /a/b/c: 1 created /a/b/c
			set /a/b: 1 data /a/b
			delete /a/b/c: 1 deleted /a/b/c
			delete /a: 1 deleted /a
			create /ab:`,
		"recursive at the root": `
			recursive / 1
			create /a: 1 created /a
			set /: 1 data /`,
		"one event, however many watches": `
			recursive / 1
			recursive /a 1
			persistent /a/b 1
			data /a/b 1
			set /a/b: 1 data /a/b
			recursive /a/b 2
			delete /a/b: 2 deleted /a/b, 1 deleted /a/b`,
		"a one-shot after a persistent takes its place": `
			persistent /a 1
			data /a 1
			set /a: 1 data /a
			set /a:
			create /a/b: 1 children /a
			create /a/c: 1 children /a`,
		"a persistent after a one-shot takes its place": `
			data /a 1
			persistent /a 1
			set /a: 1 data /a
			set /a: 1 data /a`,
		"recursive, then persistent": `
			recursive /a 1
			persistent /a 1
			create /a/b: 1 children /a
			set /a/b:`,
		"removal by kind": `
			remove /a 1 any: false
			persistent /a 1
			remove /a 2 any: false
			remove /a 1 child: true
			create /a/b:
			set /a: 1 data /a
			remove /a 1 child: false
			remove /a 1 any: true
			set /a:`,
		"a closed connection": `
			recursive /a 1
			data /b 1
			data /b 2
			close 1
			close 3
			set /a/x:
			set /b: 2 data /b`,
		"in the order of arrival": `
			data /a 3
			data /a 1
			data /a 2
			data /a 1
			remove /a 3 data: true
			data /a 3
			set /a: 1 data /a, 2 data /a, 3 data /a`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatches[int]()
			for line := range strings.Lines(strings.TrimSpace(script)) {
				do, want, _ := strings.Cut(strings.TrimSpace(line), ":")
				if got := strings.Join(watchScript(t, w, do), ", "); got != strings.TrimSpace(want) {
					t.Fatalf("%s: %q, want %q", do, got, strings.TrimSpace(want))
				}
			}
		})
	}
}

func TestResetWatches(t *testing.T) {
	w := newWatches[int]()
	var told []string
	w.resetWatches(7, &proto.SetWatches2{
		RelativeZxid: 10,
		DataWatches:  []string{"/gone", "/new", "/old", "bad"},
		ExistWatches: []string{"/gone", "/old"},
		ChildWatches: []string{"/gone", "/old", "/new"}, PersistentWatches: []string{"/p"}, PersistentRecursiveWatches: []string{"/r"},
	}, func(path string) (int64, int64, bool) {
		return map[string]int64{"/old": 10, "/new": 11}[path], map[string]int64{"/old": 11, "/new": 10}[path], path == "/old" || path == "/new"
	}, func(_ int, path string, e proto.EventType) { told = append(told, watchEvents[e]+" "+path) })
	want := []string{"deleted /gone", "data /new", "deleted bad", "created /old", "deleted /gone", "children /old"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
	var paths []string
	for _, of := range w.byWatcher() {
		paths = slices.AppendSeq(paths, of)
	}
	if !slices.Equal(paths, []string{"/old", "/gone", "/p", "/r"}) {
		t.Errorf("data watches on %q", paths)
	}
	if w.count() != 7 || !w.contains("/new", proto.WatcherChildren) || w.contains("/new", proto.WatcherData) || !w.contains("/p", proto.WatcherAny) || w.contains("/q", proto.WatcherAny) {
		t.Errorf("%d watches", w.count())
	}
}

// simpleWatches is the table as ZooKeeper's sets of sets would have it.
type simpleWatches map[string]map[int]watchMode // kind and path, watcher

func (s simpleWatches) trigger(kind watchKind, path string, e proto.EventType, told map[int]bool) {
	for at := path; at != ""; at = parentOf(at) {
		for who, mode := range s[fmt.Sprint(kind, at)] {
			if mode == recursive && e != proto.EventNodeChildrenChanged || mode != recursive && at == path {
				told[who] = true
			}
			if mode == oneShot && at == path {
				delete(s[fmt.Sprint(kind, at)], who)
			}
		}
	}
}

// The table agrees with a simple one over many random operations, and is empty at the end.
func TestWatchesAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	w, s := newWatches[int](), simpleWatches{}
	paths := []string{"/", "/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"}
	add := func(kind watchKind, path string, who int, mode watchMode) {
		key := fmt.Sprint(kind, path)
		if s[key] == nil {
			s[key] = map[int]watchMode{}
		}
		s[key][who] = mode
	}
	for step := range 50000 {
		path, who := paths[r.IntN(len(paths))], r.IntN(6)
		got, want := map[string]bool{}, map[string]bool{}
		tell := func(who int, path string, e proto.EventType) {
			event := fmt.Sprint(who, path, e)
			if got[event] {
				t.Fatalf("step %d: %s told twice", step, event)
			}
			got[event] = true
		}
		expect := func(e proto.EventType, path string, kinds ...watchKind) {
			told := map[int]bool{}
			for _, kind := range kinds {
				s.trigger(kind, path, e, told)
			}
			for who := range told {
				want[fmt.Sprint(who, path, e)] = true
			}
		}
		switch r.IntN(8) {
		case 0, 1:
			kind := watchKind(r.IntN(2))
			w.add(path, who, kind, oneShot)
			add(kind, path, who, oneShot)
		case 2:
			mode := proto.AddWatchMode(r.IntN(2))
			w.addWatch(path, who, mode)
			add(dataWatches, path, who, persistent+watchMode(mode))
			add(childWatches, path, who, persistent+watchMode(mode))
		case 3:
			w.created(path, tell)
			expect(proto.EventNodeCreated, path, dataWatches)
			expect(proto.EventNodeChildrenChanged, parentOf(path), childWatches)
		case 4:
			w.deleted(path, tell)
			expect(proto.EventNodeDeleted, path, dataWatches, childWatches)
			expect(proto.EventNodeChildrenChanged, parentOf(path), childWatches)
		case 5:
			w.dataChanged(path, tell)
			expect(proto.EventNodeDataChanged, path, dataWatches)
		case 6:
			kind := watchKind(r.IntN(2))
			key := fmt.Sprint(kind, path)
			_, there := s[key][who]
			delete(s[key], who)
			if w.remove(path, who, proto.WatcherData-proto.WatcherType(kind)) != there {
				t.Fatalf("step %d: remove %s of %d", step, path, who)
			}
		case 7:
			w.removeAll(who)
			for _, set := range s {
				delete(set, who)
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("step %d at %s: told %v, want %v", step, path, got, want)
		}
		count := 0
		for _, set := range s {
			count += len(set)
		}
		if w.count() != count {
			t.Fatalf("step %d: %d watches, want %d", step, w.count(), count)
		}
		if step%100 == 0 {
			checkWatchLists(t, w, s)
		}
	}
	for who := range 6 {
		w.removeAll(who)
	}
	if w.count() != 0 || len(w.numbers) != 0 || w.recursives != [2]int{} || w.paths != [2]int{} || len(w.watchers.free) != int(w.watchers.used) {
		t.Errorf("left behind: %+v", w)
	}
}

func checkWatchLists(t *testing.T, w *watches[int], s simpleWatches) {
	t.Helper()
	byPath, byWatcher, want := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for path, of := range w.byPath() {
		for who := range of {
			byPath[fmt.Sprint(path, who)] = true
		}
	}
	watchers := 0
	for who, of := range w.byWatcher() {
		watchers++
		for path := range of {
			byWatcher[fmt.Sprint(path, who)] = true
		}
	}
	paths := 0
	for key, set := range s {
		if path, data := strings.CutPrefix(key, "0 "); data || strings.HasPrefix(key, "0/") {
			if !data {
				path = key[1:]
			}
			if len(set) > 0 {
				paths++
			}
			for who := range set {
				want[fmt.Sprint(path, who)] = true
			}
		}
	}
	if !maps.Equal(byPath, want) || !maps.Equal(byWatcher, want) {
		t.Fatalf("by path %v, by watcher %v, want %v", byPath, byWatcher, want)
	}
	if a, b, c := w.summary(); a != watchers || b != paths || c != len(want) {
		t.Fatalf("summary %d %d %d, want %d %d %d", a, b, c, watchers, paths, len(want))
	}
}

// A watcher may close its connection while it is told.
func TestCloseWhileTold(t *testing.T) {
	w := newWatches[int]()
	for who := range 5 {
		w.addWatch("/a", who, proto.WatchPersistent)
	}
	var told []int
	w.deleted("/a", func(who int, _ string, _ proto.EventType) {
		told = append(told, who)
		w.removeAll(who)
	})
	if !slices.Equal(told, []int{0, 1, 2, 3, 4}) || w.count() != 0 {
		t.Errorf("told %v, %d left", told, w.count())
	}
}

// BenchmarkWatches holds a million watches of ten thousand connections.
func BenchmarkWatches(b *testing.B) {
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("shared paths %v", shared), func(b *testing.B) {
			conns := make([]*int, 10_000)
			for i := range conns {
				conns[i] = new(int)
			}
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				w := newWatches[*int]()
				path := []byte("/services/group-000/member-0000000000")
				for i := range 1_000_000 {
					n := i
					if shared {
						n = i / len(conns)
					}
					for at := len(path) - 1; at >= len(path)-7; at-- {
						path[at], n = byte('0'+n%10), n/10
					}
					w.add(string(path), conns[i%len(conns)], dataWatches, oneShot)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "B/watch")
				for _, c := range conns {
					w.removeAll(c)
				}
			}
		})
	}
}
