package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

// The names of moments that are transactions.
const (
	txnCreate = "txn createSession"
	txnClose  = "txn closeSession"
	txnWrite  = "txn"
)

// txnMoment is a transaction of the session.
type txnMoment struct {
	zxid  int64
	cxid  int32
	op    proto.Op
	path  string
	gone  []string // the znodes that a closeSession names
	named bool     // it names them: servers before 3.6 do not
}

// txnFacts are what the transaction logs tell.
type txnFacts struct {
	from, until int64           // the times of the first and the last transaction, ms since 1970
	writes      int             // of the session, but for its begin and end
	ephemerals  map[string]bool // znodes of the session that are left
	others      int             // sessions that were made at nearly the same time
	gap         bool            // a fault ended the reading of a log early
}

// life is an ephemeral znode's.
type life struct {
	path    string
	session int64
	made    int64 // ms since 1970, 0 if unknown
	gone    int64 // 0 while it lives
	by      int64 // the session that deleted it; 0 if its own one ended
	source  string
}

const (
	mostLives      = 10_000
	mostEphemerals = 10_000
)

// eachTxn calls visit with each transaction, once, although several members have it. Faults are reported.
func (t *tracer) eachTxn(ctx context.Context, quiet bool, visit func(f storage.File, e *storage.Entry, txn *proto.TxnEntry)) error {
	var txn proto.TxnEntry
	for _, f := range t.sources.txns {
		r, err := storage.OpenLog(f.Path)
		if err != nil {
			t.txnFault(err, quiet)
			continue
		}
		for n := 0; ; n++ {
			if n&0xfff == 0 && ctx.Err() != nil {
				r.Close()
				return ctx.Err()
			}
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.txnFault(err, quiet)
				break
			}
			if !e.Intact() {
				t.txnFault(fmt.Errorf("read %s at byte %d: the checksum of transaction %s is wrong; it is left out", f.Path, e.Offset, proto.Hex(e.Header.Zxid)), quiet)
				continue
			}
			visit(f, e, &txn)
		}
		r.Close()
	}
	return nil
}

func (t *tracer) txnFault(err error, quiet bool) {
	t.txns.gap = true
	if quiet {
		return
	}
	t.o.failed = true
	ui.Report(t.o.streams.Err, command.Advise(err))
}

// readTxns finds the transactions of the session.
func (t *tracer) readTxns(ctx context.Context, marks map[mark]sighting) error {
	x := &t.txns
	x.ephemerals = map[string]bool{}
	seen := int64(0) // the last zxid that mattered: members' logs, which start in that order, repeat them
	top := int64(0)
	created := int64(0)
	var births []int64
	quiet := t.o.path != "" // the search by path has reported the faults
	err := t.eachTxn(ctx, quiet, func(f storage.File, e *storage.Entry, txn *proto.TxnEntry) {
		h := &e.Header
		if x.from == 0 {
			x.from = h.Time
		}
		if top>>32 == h.Zxid>>32 && h.Zxid > top+1 {
			x.gap = true // a log is missing
		}
		top = max(top, h.Zxid)
		x.from, x.until = min(x.from, h.Time), max(x.until, h.Time)
		switch h.Type {
		case proto.OpCreateSession:
			id := proto.Hex(h.ClientID)
			t.sight(marks, mark{"established", false, id, false}, h.Time)
			t.sight(marks, mark{"committed", false, id, false}, h.Time)
			if len(births) < mostMarks {
				births = append(births, h.Time)
			}
		case proto.OpCloseSession:
			t.sight(marks, mark{"ended", true, proto.Hex(h.ClientID), false}, h.Time)
			t.sight(marks, mark{"processed", false, proto.Hex(h.ClientID), false}, h.Time)
		}
		own := h.ClientID == t.o.id
		if !own && (len(x.ephemerals) == 0 || h.Type != proto.OpDelete && h.Type != proto.OpMulti && h.Type != proto.OpDeleteContainer) {
			return
		}
		if h.Zxid <= seen || e.View(txn) != nil {
			return
		}
		seen = h.Zxid
		if h.Type == proto.OpCreateSession {
			created = h.Time
		}
		t.takeTxn(f, h, txn, own)
	})
	x.others = max(distinct(births, created), 0)
	return err
}

// distinct counts the other births near one; members' logs repeat each.
func distinct(births []int64, at int64) int {
	var near []int64
	for _, b := range births {
		if d := b - at; d < nearBy && d > -nearBy {
			near = append(near, b)
		}
	}
	slices.Sort(near)
	return len(slices.Compact(near)) - 1
}

// sight notes a mark. Members' logs repeat a transaction with the same time.
func (t *tracer) sight(marks map[mark]sighting, k mark, at int64) {
	if old, again := marks[k]; again {
		if old.at != at {
			old.twice = true
			marks[k] = old
		}
	} else if len(marks) < mostMarks {
		marks[k] = sighting{at: at}
	}
}

func (t *tracer) takeTxn(f storage.File, h *proto.TxnHeader, txn *proto.TxnEntry, own bool) {
	x := &t.txns
	eachPart(h, txn, func(op proto.Op, path string, ephemeral bool) {
		switch {
		case op == proto.OpDelete && path != "":
			delete(x.ephemerals, path)
		case own && ephemeral && len(x.ephemerals) < mostEphemerals:
			x.ephemerals[path] = true
		}
	})
	if !own {
		return
	}
	m := &moment{from: t.ledger, file: f.Path, raw: h.Time, timed: true, name: txnWrite, txn: &txnMoment{zxid: h.Zxid, cxid: h.Cxid, op: h.Type}}
	switch body := txn.Body.(type) {
	case *proto.CreateSessionTxn:
		m.name, m.ms = txnCreate, int64(body.TimeOut)
		m.text = fmt.Sprintf("createSession %s, timeout %s", proto.Hex(h.Zxid), ui.Duration(m.ms))
	case *proto.CloseSessionTxn:
		m.txn.named = true
		for _, path := range body.Paths2Delete[:min(len(body.Paths2Delete), mostEphemerals)] {
			m.txn.gone = append(m.txn.gone, string([]byte(path)))
		}
	}
	switch h.Type {
	case proto.OpCreateSession:
	case proto.OpCloseSession:
		m.name = txnClose
		m.text = fmt.Sprintf("closeSession %s, cxid %#x", proto.Hex(h.Zxid), uint32(h.Cxid))
	default:
		x.writes++
		m.text = fmt.Sprintf("%s %s, cxid %#x", h.Type, proto.Hex(h.Zxid), uint32(h.Cxid))
		eachPart(h, txn, func(_ proto.Op, path string, _ bool) {
			if m.txn.path == "" {
				m.txn.path = path
				m.text += " " + path
			}
		})
	}
	t.ledger.keep(m)
}

// eachPart calls visit with what a transaction does: more than once if it is a multi. path is the caller's to keep.
func eachPart(h *proto.TxnHeader, txn *proto.TxnEntry, visit func(op proto.Op, path string, ephemeral bool)) {
	one := func(op proto.Op, body any) {
		ephemeral := false
		if create, ok := body.(*proto.CreateTxn); ok {
			ephemeral = create.Ephemeral
		}
		if pathed, ok := body.(interface{ ZnodePath() *string }); ok {
			visit(op, string([]byte(*pathed.ZnodePath())), ephemeral)
		}
	}
	multi, ok := txn.Body.(*proto.MultiTxn)
	if !ok {
		one(h.Type, txn.Body)
		return
	}
	for i := range multi.Txns {
		part := &multi.Txns[i]
		if body, err := part.Decode(); err == nil {
			one(part.Type, body)
		}
	}
}

// findLives finds the ephemeral znodes that had the path, in transaction logs and audit logs.
func (t *tracer) findLives(ctx context.Context) error {
	open := -1 // the life that has not ended
	begin := func(l life) {
		if len(t.lives) < mostLives {
			t.lives = append(t.lives, l)
			open = len(t.lives) - 1
		}
	}
	seen := int64(0)
	err := t.eachTxn(ctx, false, func(f storage.File, e *storage.Entry, txn *proto.TxnEntry) {
		h := &e.Header
		if h.Zxid <= seen { // of another member
			return
		}
		switch {
		case h.Type == proto.OpCloseSession:
			if open >= 0 && t.lives[open].session == h.ClientID {
				t.lives[open].gone, open = h.Time, -1
				seen = max(seen, h.Zxid)
				return
			}
			if e.View(txn) != nil {
				return
			}
			if body, ok := txn.Body.(*proto.CloseSessionTxn); ok && slices.Contains(body.Paths2Delete, t.o.path) {
				begin(life{path: t.o.path, session: h.ClientID, gone: h.Time, source: f.Path}) // it is older than the log
				open, seen = -1, max(seen, h.Zxid)
			}
			return
		case h.Type != proto.OpMulti && !h.Type.HasPath():
			return
		}
		if e.View(txn) != nil {
			return
		}
		eachPart(h, txn, func(op proto.Op, path string, ephemeral bool) {
			switch {
			case path != t.o.path:
			case ephemeral:
				begin(life{path: path, session: h.ClientID, made: h.Time, source: f.Path})
				seen = max(seen, h.Zxid)
			case op == proto.OpDelete && open >= 0:
				t.lives[open].gone, t.lives[open].by, open = h.Time, h.ClientID, -1
				seen = max(seen, h.Zxid)
			}
		})
	})
	if err != nil {
		return err
	}
	if err := t.auditedLives(ctx); err != nil {
		return err
	}
	if t.o.live && t.o.members.Owner != nil {
		owner, err := t.o.members.Owner(ctx, t.o.path)
		if err != nil {
			t.o.failed = true
			ui.Report(t.o.streams.Err, fmt.Errorf("--live: %w", err))
		} else if owner != 0 && !slices.ContainsFunc(t.lives, func(l life) bool { return l.session == owner && l.gone == 0 }) {
			t.lives = append(t.lives, life{path: t.o.path, session: owner, source: "members"})
		}
	}
	slices.SortStableFunc(t.lives, func(a, b life) int { return cmp.Compare(cmp.Or(a.gone, 1<<62), cmp.Or(b.gone, 1<<62)) })
	return nil
}
