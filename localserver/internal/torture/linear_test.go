package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// registers is how many znodes the clients compete for.
const registers = 3

// register is the content of one of them.
type register struct {
	version int32
	value   string
}

// model is what all clients together see: the registers, and how many sequential znodes
// have been created.
type model struct {
	reg  [registers]register
	next int
}

// action is what a client requests.
type action struct {
	kind     string // "get", "set", "multi" or "sequential"
	i, j     int    // registers
	value    string
	version  int32 // required of register i; -1 for any
	versionJ int32
}

// answer is the reply. The fate of an action without one is unknown.
type answer struct {
	unknown bool
	bad     bool // a version did not match
	reg     register
	regJ    register
	n       int
	at      string // the server's address, to investigate a failure
}

// linear is the specification: the actions, one by one. One without an answer may or may not have
// taken effect.
var linear = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{model{}} },
	Step: func(state, input, output any) []any {
		s, in, out := state.(model), input.(action), output.(answer)
		after, fits := in.does(s, out)
		switch {
		case out.unknown && after != s:
			return []any{s, after}
		case out.unknown:
			return []any{s}
		case fits:
			return []any{after}
		}
		return nil
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}).ToModel()

// does returns the state after an action, and whether the answer is consistent with it.
func (a action) does(s model, out answer) (after model, fits bool) {
	matches := func(i int, version int32) bool { return version == -1 || s.reg[i].version == version }
	switch a.kind {
	case "get":
		return s, out.reg == s.reg[a.i]
	case "set":
		if !matches(a.i, a.version) {
			return s, out.bad
		}
		s.reg[a.i] = register{s.reg[a.i].version + 1, a.value}
		return s, !out.bad && out.reg.version == s.reg[a.i].version
	case "multi":
		if !matches(a.i, a.version) || !matches(a.j, a.versionJ) {
			return s, out.bad
		}
		s.reg[a.i] = register{s.reg[a.i].version + 1, a.value}
		s.reg[a.j] = register{s.reg[a.j].version + 1, a.value}
		return s, !out.bad && out.reg.version == s.reg[a.i].version && out.regJ.version == s.reg[a.j].version
	case "sequential":
		s.next++
		return s, out.n == s.next-1
	}
	return s, false
}

// history records what clients do.
type history struct {
	t     *testing.T
	began time.Time
	mu    sync.Mutex
	ops   []porcupine.Operation
}

func (h *history) now() int64 { return time.Since(h.began).Nanoseconds() }

// add records an action that started at call. One without an answer can take effect until settle is
// called with its index.
func (h *history) add(client int, in action, call int64, out answer) (index int) {
	end := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if out.unknown {
		end = 1 << 62
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: end})
	return len(h.ops) - 1
}

// settle records that actions without an answer have taken effect by now, or never will.
func (h *history) settle(actions []int) {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range actions {
		h.ops[i].Return = now
	}
}

// check looks for an order of all actions that explains every answer.
func (h *history) check() {
	h.t.Helper()
	unknown := 0
	for _, op := range h.ops {
		if op.Output.(answer).unknown {
			unknown++
		}
	}
	began := time.Now()
	result, info := porcupine.CheckOperationsVerbose(linear, h.ops, time.Minute)
	h.t.Logf("%d operations, %d of them without an answer: %v in %v", len(h.ops), unknown, result, time.Since(began).Round(time.Millisecond))
	if result == porcupine.Illegal {
		f, err := os.CreateTemp("", "zkctl-history-*.html")
		if err == nil {
			err = porcupine.Visualize(linear, info, f)
			f.Close()
		}
		h.t.Errorf("the history is not linearizable; see %s (%v)", f.Name(), err)
	}
}

// competitor is a client of the workload. It connects to any member; its session survives as long
// as the servers keep it.
type competitor struct {
	t       *testing.T
	i       int
	rng     *rand.Rand
	addrs   func() []string
	history *history
	syncs   bool // reads are preceded by sync, since members may lag
	lags    func(addr string) bool

	session *wiretest.Client
	up      bool
	owns    bool // the session has its ephemeral
	lagging bool // whether its member lags
	count   int
	known   [registers]int32 // versions seen last
	watched [registers]int32 // version at which this connection set a watch; -1 for none
	over    []int64          // sessions that have ended
	pending []int            // in the history: actions without an answer
}

// opTimeout is how long a competitor waits before it tries another member.
const opTimeout = 1500 * time.Millisecond

func registerPath(i int) string { return "/r" + strconv.Itoa(i) }

func ephemeralPath(session int64) string { return fmt.Sprintf("/eph/%x", uint64(session)) }

// connect resumes the session, or opens one and creates its ephemeral.
func (c *competitor) connect() error {
	addrs := c.addrs()
	addr := addrs[c.rng.IntN(len(addrs))]
	w, err := wiretest.Dialer{Wait: opTimeout}.Dial(addr, 20*time.Second, c.session)
	if errors.Is(err, wiretest.ErrOver) {
		c.over = append(c.over, c.session.ID)
		c.session = nil
	}
	if err != nil {
		return err
	}
	if c.session == nil {
		c.owns = false
	}
	record := wiretest.Create("/barrier", nil, proto.Persistent)
	if !c.owns {
		record = wiretest.Create(ephemeralPath(w.ID), nil, proto.Ephemeral)
	}
	c.session, c.up = w, true
	c.lagging = c.syncs && c.lags(addr)
	c.watched = [registers]int32{-1, -1, -1}
	w.Event = func(e *proto.WatcherEvent) {
		for i := range registers {
			if e.Path == registerPath(i) {
				c.watched[i] = -1
			}
		}
	}
	// No server may accept a request of the old connection once a write on the new one is done, or
	// the old session has ended.
	if err := w.Call(proto.OpCreate, record, nil); err != nil && err != proto.ErrNodeExists {
		c.lose()
		return err
	}
	c.owns = true
	c.history.settle(c.pending)
	c.pending = nil
	return nil
}

// lose drops the connection.
func (c *competitor) lose() {
	c.session.Close()
	c.up = false
}

// run competes until stop.
func (c *competitor) run(stop *atomic.Bool) {
	for !stop.Load() {
		if !c.up {
			if c.connect() != nil {
				time.Sleep(time.Duration(c.rng.IntN(20)) * time.Millisecond)
				continue
			}
		}
		c.act(c.choose())
		if c.rng.IntN(300) == 0 && c.up {
			c.lose()
		}
		time.Sleep(time.Duration(c.rng.IntN(4)) * time.Millisecond)
	}
}

func (c *competitor) choose() action {
	c.count++
	a := action{i: c.rng.IntN(registers), value: fmt.Sprintf("%d.%d", c.i, c.count), version: -1, versionJ: -1}
	if c.rng.IntN(2) == 0 {
		a.version = c.known[a.i]
	}
	switch n := c.rng.IntN(10); {
	case n < 4:
		a.kind = "get"
	case n < 7:
		a.kind = "set"
	case n < 9:
		a.kind = "multi"
		a.j = (a.i + 1 + c.rng.IntN(registers-1)) % registers
		a.versionJ = c.known[a.j]
	default:
		a.kind = "sequential"
	}
	return a
}

// act performs one action and records it.
func (c *competitor) act(a action) {
	call := c.history.now()
	out, err := c.do(a)
	switch {
	case errors.Is(err, proto.ErrBadVersion):
		out.bad = true
	case err != nil:
		out = answer{unknown: true, at: out.at}
		c.lose()
		// The session may have ended or moved; anything else is a server fault.
		if code := proto.Error(0); errors.As(err, &code) && code != proto.ErrSessionExpired && code != proto.ErrSessionMoved && code != proto.ErrConnectionLoss {
			c.t.Errorf("%+v: %v", a, err)
		} else if strings.Contains(err.Error(), "has zxid") {
			c.t.Error(err)
		}
	}
	if index := c.history.add(c.i, a, call, out); out.unknown {
		c.pending = append(c.pending, index)
	}
}

func (c *competitor) do(a action) (out answer, err error) {
	w := c.session
	out.at = w.RemoteAddr().String()
	switch a.kind {
	case "get":
		if err := c.catchUp(registerPath(a.i)); err != nil {
			return out, err
		}
		watch := c.rng.IntN(2) == 0
		var r proto.GetDataResponse
		if err := w.Call(proto.OpGetData, &proto.PathWatchRequest{Path: registerPath(a.i), Watch: watch}, &r); err != nil {
			return out, err
		}
		c.see(a.i, r.Stat.Version)
		if watch && c.watched[a.i] < 0 {
			c.watched[a.i] = r.Stat.Version
		}
		out.reg = register{r.Stat.Version, string(r.Data)}
	case "set":
		var r proto.StatResponse
		if err := w.Call(proto.OpSetData, &proto.SetDataRequest{Path: registerPath(a.i), Data: []byte(a.value), Version: a.version}, &r); err != nil {
			return out, err
		}
		c.see(a.i, r.Stat.Version)
		out.reg.version = r.Stat.Version
	case "multi":
		multi := &proto.MultiRequest{}
		for _, part := range []proto.SetDataRequest{{Path: registerPath(a.i), Data: []byte(a.value), Version: a.version}, {Path: registerPath(a.j), Data: []byte(a.value), Version: a.versionJ}} {
			multi.Ops = append(multi.Ops, proto.MultiOp{Type: proto.OpSetData, Request: &part})
		}
		var r proto.MultiResponse
		if err := w.Call(proto.OpMulti, multi, &r); err != nil {
			return out, err
		}
		if len(r.Results) != 2 {
			return out, fmt.Errorf("a multi of 2 has %d results", len(r.Results))
		}
		for _, part := range r.Results {
			if part.Err == proto.ErrBadVersion {
				return out, part.Err
			}
			if part.Err == proto.ErrSessionExpired || part.Err == proto.ErrSessionMoved {
				return out, part.Err
			}
		}
		if r.Results[0].Stat == nil || r.Results[1].Stat == nil {
			return out, fmt.Errorf("a multi has the results %+v", r.Results)
		}
		out.reg.version, out.regJ.version = r.Results[0].Stat.Version, r.Results[1].Stat.Version
		c.see(a.i, out.reg.version)
		c.see(a.j, out.regJ.version)
	case "sequential":
		var r proto.PathResponse
		if err := w.Call(proto.OpCreate, wiretest.Create("/seq/n-", nil, proto.PersistentSequential), &r); err != nil {
			return out, err
		}
		n, err := strconv.Atoi(strings.TrimPrefix(r.Path, "/seq/n-"))
		if err != nil {
			return out, err
		}
		out.n = n
	}
	return out, nil
}

// catchUp makes the server apply everything answered anywhere. A sync does that, except on Apache's
// leader, where it does not wait (ProposalRequestProcessor, CommitProcessor): a follower may have
// answered a write that the leader has committed but not applied yet. There it takes a write, which
// need not succeed.
func (c *competitor) catchUp(path string) error {
	switch {
	case c.lagging:
		if err := c.session.Call(proto.OpCreate, wiretest.Create("/barrier", nil, proto.Persistent), nil); err != proto.ErrNodeExists {
			return err
		}
		return nil
	case c.syncs:
		return c.session.Call(proto.OpSync, &proto.PathRequest{Path: path}, nil)
	}
	return nil
}

// see handles a version in a reply: an event that a watch waits for must have come before.
func (c *competitor) see(i int, version int32) {
	c.known[i] = version
	if at := c.watched[i]; at >= 0 && version > at {
		c.t.Errorf("client %d sees version %d of %s before the event of its watch, set at version %d", c.i, version, registerPath(i), at)
		c.watched[i] = -1
	}
}

// finish waits until the client is connected, and compares what it knows with the tree:
// the ephemerals of its sessions are there exactly as long as the session is.
func (c *competitor) finish() {
	c.t.Helper()
	await.That(c.t, patience, "a client connects when all is well again", func() bool { return c.up || c.connect() == nil })
	for i := range registers {
		c.act(action{kind: "get", i: i})
		await.That(c.t, patience, "a client connects when all is well again", func() bool { return c.up || c.connect() == nil })
	}
	c.session.Wait = patience
	if err := c.catchUp("/eph"); err != nil {
		c.t.Errorf("sync: %v", err)
	}
	exists := func(session int64) bool {
		err := c.session.Call(proto.OpExists, &proto.PathWatchRequest{Path: ephemeralPath(session)}, nil)
		if err != nil && err != proto.ErrNoNode {
			c.t.Errorf("exists: %v", err)
		}
		return err == nil
	}
	if !exists(c.session.ID) {
		c.t.Errorf("session 0x%x lives, its ephemeral does not", uint64(c.session.ID))
	}
	for _, id := range c.over {
		if exists(id) {
			c.t.Errorf("session 0x%x is over, its ephemeral is there", uint64(id))
		}
	}
}

// servers is what the workload runs against.
type servers struct {
	addrs   func() []string        // all client addresses
	syncs   bool                   // there are several
	lags    func(addr string) bool // reports whether a sync on a member is of no use; see catchUp
	disturb func(*rand.Rand)       // disturbs them and later undoes it
}

// compete makes clients compete for znodes during faults, and checks what they saw. When it
// returns, there are no faults and the sessions are closed.
func compete(t *testing.T, rng *rand.Rand, s servers, clients, faults int) {
	t.Helper()
	h := &history{t: t, began: time.Now()}
	w := awaitSession(t, s.addrs()[0])
	for _, p := range []string{"/eph", "/seq"} {
		if err := w.Call(proto.OpCreate, wiretest.Create(p, nil, proto.Persistent), nil); err != nil && err != proto.ErrNodeExists {
			t.Fatal(err)
		}
	}
	for i := range registers {
		if err := w.Call(proto.OpCreate, wiretest.Create(registerPath(i), nil, proto.Persistent), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	var wg sync.WaitGroup
	var stop atomic.Bool
	all := make([]*competitor, clients)
	for i := range all {
		all[i] = &competitor{t: t, i: i, rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), addrs: s.addrs, history: h, syncs: s.syncs, lags: s.lags}
		wg.Go(func() { all[i].run(&stop) })
	}
	for range faults {
		time.Sleep(time.Duration(100+rng.IntN(300)) * time.Millisecond)
		s.disturb(rng)
	}
	time.Sleep(200 * time.Millisecond)
	stop.Store(true)
	wg.Wait()
	for _, c := range all {
		c.finish()
	}
	defer h.check() // sessions may end while it takes its time
	w = awaitSession(t, s.addrs()[0])
	defer w.Close()
	for _, c := range all {
		if err := c.session.End(); err != nil {
			t.Errorf("close a session: %v", err)
		}
	}
	if err := w.Call(proto.OpSync, &proto.PathRequest{Path: "/eph"}, nil); err != nil {
		t.Error(err)
	}
	for _, c := range all {
		if err := w.Call(proto.OpExists, &proto.PathWatchRequest{Path: ephemeralPath(c.session.ID)}, nil); err != proto.ErrNoNode {
			t.Errorf("the ephemeral of a session that was closed is there: %v", err)
		}
	}
	// Clean for the next round.
	for p := range readState(t, w, "/seq") {
		if p != "/seq" {
			if err := w.Call(proto.OpDelete, &proto.PathVersionRequest{Path: p, Version: -1}, nil); err != nil {
				t.Error(err)
			}
		}
	}
	for _, p := range []string{"/seq", registerPath(0), registerPath(1), registerPath(2)} {
		if err := w.Call(proto.OpDelete, &proto.PathVersionRequest{Path: p, Version: -1}, nil); err != nil {
			t.Error(err)
		}
	}
	if err := w.End(); err != nil {
		t.Error(err)
	}
}

// awaitSession opens a session once the server accepts one.
func awaitSession(t *testing.T, addr string) (w *wiretest.Client) {
	t.Helper()
	await.That(t, patience, "a session on "+addr, func() (up bool) {
		var err error
		w, err = wiretest.Dialer{Wait: 5 * time.Second}.Dial(addr, time.Minute, nil)
		return err == nil
	})
	w.Wait = patience
	return w
}

// TestSpecification checks that the specification rejects impossible histories.
func TestSpecification(t *testing.T) {
	set := func(value string, version int32) porcupine.Operation {
		return porcupine.Operation{Input: action{kind: "set", value: value, version: -1}, Output: answer{reg: register{version: version}}}
	}
	get := func(value string, version int32) porcupine.Operation {
		return porcupine.Operation{Input: action{kind: "get"}, Output: answer{reg: register{version, value}}}
	}
	maybe := porcupine.Operation{Input: action{kind: "set", value: "m", version: -1}, Output: answer{unknown: true}}
	for name, test := range map[string]struct {
		ops []porcupine.Operation
		ok  bool
	}{
		"one after the other":           {[]porcupine.Operation{set("a", 1), get("a", 1), set("b", 2), get("b", 2)}, true},
		"a lost write":                  {[]porcupine.Operation{set("a", 1), set("b", 1)}, false},
		"an old value":                  {[]porcupine.Operation{set("a", 1), set("b", 2), get("a", 1)}, false},
		"a write that may have been":    {[]porcupine.Operation{set("a", 1), maybe, get("m", 2)}, true},
		"or not":                        {[]porcupine.Operation{set("a", 1), maybe, get("a", 1)}, true},
		"but not first one, then other": {[]porcupine.Operation{set("a", 1), maybe, get("m", 2), get("a", 1)}, false},
		"half a multi": {[]porcupine.Operation{
			{Input: action{kind: "multi", i: 1, j: 0, value: "x", version: -1, versionJ: -1}, Output: answer{reg: register{version: 1}, regJ: register{version: 1}}},
			get("", 0)}, false},
		"a sequential name twice": {[]porcupine.Operation{{Input: action{kind: "sequential"}, Output: answer{n: 0}}, {Input: action{kind: "sequential"}, Output: answer{n: 0}}}, false},
	} {
		for i := range test.ops {
			op := &test.ops[i]
			op.Call, op.Return = int64(2*i), int64(2*i+1)
			if op.Output.(answer).unknown {
				op.ClientId, op.Return = 1, 1<<62
			}
		}
		if got := porcupine.CheckOperations(linear, test.ops); got != test.ok {
			t.Errorf("%s: %t, want %t", name, got, test.ok)
		}
	}
}
