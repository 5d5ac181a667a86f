package replica

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

// Arguments of newWatches: whether one watcher can have several modes on a path.
func oneMode() bool      { return false } // 3.8
func severalModes() bool { return true }  // 3.9

// watchScript runs lines such as "add data once /a 1", "delete /a", and records the events.
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
		told = append(told, fmt.Sprint(w.remove(f[1], who(f[2]), watcherTypes[f[3]])))
	case "has":
		told = append(told, fmt.Sprint(w.contains(f[1], who(f[2]), watcherTypes[f[3]])))
	case "summary":
		told = append(told, fmt.Sprint(w.summary()))
	case "close":
		w.removeAll(who(f[1]))
	default:
		t.Fatal(line)
	}
	return told
}

var watcherTypes = map[string]proto.WatcherType{"data": proto.WatcherData, "child": proto.WatcherChildren, "any": proto.WatcherAny,
	"persistent": proto.WatcherPersistent, "recursive": proto.WatcherPersistentRecursive}

// TestWatches runs each script with the tables of 3.8 and of 3.9, unless its name selects one.
// Those of 3.9 are from WatchManagerTest, RemoveWatchesTest and PersistentRecursiveWatcherTest of
// release-3.9.5 (ZOOKEEPER-4466, 4471, 4472 and 4475).
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
		"3.8: one event, however many watches": `
			recursive / 1
			recursive /a 1
			persistent /a/b 1
			data /a/b 1
			set /a/b: 1 data /a/b
			recursive /a/b 2
			delete /a/b: 2 deleted /a/b, 1 deleted /a/b`,
		"3.9: one event, however many watches": `
			recursive / 1
			recursive /a 1
			persistent /a/b 1
			data /a/b 1
			set /a/b: 1 data /a/b
			recursive /a/b 2
			delete /a/b: 1 deleted /a/b, 2 deleted /a/b`,
		"3.8: a one-shot after a persistent takes its place": `
			persistent /a 1
			data /a 1
			set /a: 1 data /a
			set /a:
			create /a/b: 1 children /a
			create /a/c: 1 children /a`,
		"a persistent after a one-shot": `
			data /a 1
			persistent /a 1
			set /a: 1 data /a
			set /a: 1 data /a`,
		"3.9: a one-shot after a persistent": `
			persistent /a 1
			data /a 1
			set /a: 1 data /a
			set /a: 1 data /a
			create /a/b: 1 children /a`,
		"3.9: each mode for itself": `
			persistent /a 1
			recursive /a 1
			data /a 1
			create /a: 1 created /a
			set /a: 1 data /a
			child /a 1
			create /a/b: 1 created /a/b, 1 children /a
			set /a/b: 1 data /a/b
			remove /a 1 persistent: true
			create /a/c: 1 created /a/c
			child /a 1
			remove /a 1 recursive: true
			remove /a 1 recursive: false
			create /a/d: 1 children /a
			set /a:`,
		"3.9: asked for by kind": `
			persistent /a 1
			has /a 1 any: true
			has /a 1 persistent: true
			has /a 1 recursive: false
			has /a 1 data: false
			has /a 1 child: false
			has /a 2 any: false
			has /a/b 1 any: false
			recursive /a 1
			has /a 1 recursive: true
			has /a/b 1 recursive: false
			data /a 1
			has /a 1 data: true
			has /a 1 child: false
			remove /a 1 data: true
			has /a 1 persistent: true
			remove /a 1 any: true
			has /a 1 any: false`,
		"3.9: a persistent is not removed as data or children": `
			persistent /a 1
			remove /a 1 data: false
			remove /a 1 child: false
			set /a: 1 data /a
			create /a/b: 1 children /a`,
		"3.9: a watcher without watches counts until it removes the last itself": `
			data /a 1
			set /a: 1 data /a
			summary: 1 0 0
			data /a 1
			data /b 1
			remove /a 1 data: true
			summary: 1 1 1
			remove /b 1 data: true
			summary: 0 0 0`,
		"3.8: a watcher without watches counts": `
			data /a 1
			remove /a 1 data: true
			summary: 1 0 0`,
		"3.9: a recursive is in the table of data alone": `
			recursive /a 1
			persistent /b 1
			has /a 1 child: false
			remove /a 1 child: false
			summary: 1 2 2
			delete /a/b: 1 deleted /a/b
			delete /a: 1 deleted /a`,
		"3.8: anybody's watch will do": `
			data /a 1
			has /a 2 data: true
			has /a 2 child: false`,
		"3.8: recursive, then persistent": `
			recursive /a 1
			persistent /a 1
			create /a/b: 1 children /a
			set /a/b:`,
		"3.8: removal by kind": `
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
		for release, several := range map[string]func() bool{"3.8": oneMode, "3.9": severalModes} {
			if strings.HasPrefix(name, "3.") && !strings.HasPrefix(name, release) {
				continue
			}
			t.Run(release+"/"+name, func(t *testing.T) {
				w := newWatches[int](several)
				for line := range strings.Lines(strings.TrimSpace(script)) {
					do, want, _ := strings.Cut(strings.TrimSpace(line), ":")
					if got := strings.Join(watchScript(t, w, do), ", "); got != strings.TrimSpace(want) {
						t.Fatalf("%s: %q, want %q", do, got, strings.TrimSpace(want))
					}
				}
			})
		}
	}
}

func TestResetWatches(t *testing.T) {
	t.Run("3.8", func(t *testing.T) { testResetWatches(t, oneMode, 7) })
	t.Run("3.9", func(t *testing.T) { testResetWatches(t, severalModes, 6) })
}

func testResetWatches(t *testing.T, several func() bool, count int) {
	w := newWatches[int](several)
	var told []string
	w.resetWatches(0, &proto.SetWatches2{
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
	if w.count() != count || !w.contains("/new", 0, proto.WatcherChildren) || w.contains("/new", 0, proto.WatcherData) || !w.contains("/p", 0, proto.WatcherAny) || w.contains("/q", 0, proto.WatcherAny) {
		t.Errorf("%d watches", w.count())
	}
}

// simpleWatches is the table as plain sets, like ZooKeeper's.
type simpleWatches map[string]map[int]watchModes // kind and path, watcher

func (s simpleWatches) trigger(kind watchKind, path string, e proto.EventType, told map[int]bool) {
	for at := path; at != ""; at = parentOf(at) {
		key := fmt.Sprint(kind, at)
		for who, modes := range s[key] {
			if modes&recursive != 0 && e != proto.EventNodeChildrenChanged || modes&^recursive != 0 && at == path {
				told[who] = true
			}
			if at == path {
				s.forget(key, who, oneShot)
			}
		}
	}
}

// forget reports whether there was a watch of the modes.
func (s simpleWatches) forget(key string, who int, modes watchModes) bool {
	before, there := s[key][who]
	if after := before &^ modes; there && after == 0 {
		delete(s[key], who)
	} else if there {
		s[key][who] = after
	}
	return before&modes != 0
}

// The table agrees with a simple one in many random operations, and is empty at the end.
func TestWatchesAtRandom(t *testing.T) {
	t.Run("3.8", func(t *testing.T) { testWatchesAtRandom(t, oneMode) })
	t.Run("3.9", func(t *testing.T) { testWatchesAtRandom(t, severalModes) })
}

func testWatchesAtRandom(t *testing.T, several func() bool) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	w, s := newWatches[int](several), simpleWatches{}
	paths := []string{"/", "/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"}
	add := func(kind watchKind, path string, who int, mode watchModes) {
		key := fmt.Sprint(kind, path)
		if s[key] == nil {
			s[key] = map[int]watchModes{}
		}
		if several() {
			mode |= s[key][who]
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
			add(dataWatches, path, who, persistent<<mode)
			if mode == proto.WatchPersistent || !several() {
				add(childWatches, path, who, persistent<<mode)
			}
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
			kind := proto.WatcherType(1 + r.IntN(3))
			modes := anyMode
			if several() {
				kind = proto.WatcherType(1 + r.IntN(5))
				modes = map[proto.WatcherType]watchModes{1: oneShot, 2: oneShot, 3: anyMode, 4: persistent, 5: recursive}[kind]
			}
			there := kind != proto.WatcherChildren && s.forget(fmt.Sprint(dataWatches, path), who, modes)
			there = kind != proto.WatcherData && s.forget(fmt.Sprint(childWatches, path), who, modes) || there
			if several() && w.contains(path, who, kind) != there {
				t.Fatalf("step %d: %s of %d has %v: %v", step, path, who, kind, !there)
			}
			if w.remove(path, who, kind) != there {
				t.Fatalf("step %d: remove %v from %s of %d", step, kind, path, who)
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

// A watcher may close its connection while it is notified.
func TestCloseWhileTold(t *testing.T) {
	w := newWatches[int](severalModes)
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

// BenchmarkWatches measures a million watches of ten thousand connections.
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
				w := newWatches[*int](severalModes)
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
