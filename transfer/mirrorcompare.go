package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// compare compares all znodes of the source with what is known of them, and then reads those that differ.
func (m *mirror) compare(ctx context.Context) error {
	if err := m.src.conn.Sync(ctx, m.src.path); err != nil {
		return err
	}
	if len(m.state.twins) == 0 {
		if err := m.firstCopy(ctx); err != nil {
			return err
		}
	}
	m.stat.failed.Store(0)
	m.round++
	var changed []string
	err := m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		switch t, known := m.state.twins[z.Path]; {
		case errors.Is(z.Err, proto.ErrNoNode) || z.Known && z.Stat.EphemeralOwner != 0:
		case !known:
			changed = append(changed, z.Path)
		default:
			t.seen = m.round
			m.state.twins[z.Path] = t
			if t.mzxid != z.Stat.Mzxid || t.next != source.NextSequence(&z.Stat) || t.aversion != z.Stat.Aversion {
				changed = append(changed, z.Path)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	gone := 0
	for path, t := range m.state.twins {
		if t.seen != m.round {
			changed = append(changed, path)
			gone++
		}
	}
	if err := m.mayDelete(gone); err != nil {
		return err
	}
	theirs, err := m.compareDest(ctx)
	if err != nil {
		return err
	}
	if m.force {
		changed = append(changed, theirs...)
	}
	slices.SortFunc(changed, source.Compare)
	if err := m.patch(ctx, slices.Compact(changed)); err != nil {
		return err
	}
	m.state.mark(false, true)
	m.stat.compared.Store(time.Now().UnixNano())
	return nil
}

// mayDelete stops a mirror before it deletes very much.
func (m *mirror) mayDelete(gone int) error {
	const few = 10
	if !m.delete || m.force || gone <= max(few, len(m.state.twins)/10) {
		return nil
	}
	return stopError{fmt.Errorf("%s of %s znodes are gone at the source, which looks empty; nothing was deleted at the destination; if that is right, run it with --force",
		command.Thousands(gone), command.Thousands(len(m.state.twins)))}
}

// compareDest finds what somebody else has changed at the destination.
func (m *mirror) compareDest(ctx context.Context) (theirs []string, err error) {
	foreign := 0
	note := func(path, what string) {
		foreign++
		theirs = append(theirs, path)
		m.foreign(path, errors.New(what))
	}
	seen := map[string]struct{}{}
	err = m.dst.conn.Walk(ctx, m.dst.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		path := m.atSource(z.Path)
		t, known := m.state.twins[path]
		switch {
		case errors.Is(z.Err, proto.ErrNoNode):
			return nil
		case z.Err != nil || z.Stat.EphemeralOwner != 0:
			seen[path] = struct{}{}
			return nil
		}
		if known && source.NextSequence(&z.Stat) < t.next {
			m.parents[path] = struct{}{}
		}
		_, waits := m.state.pending[path]
		switch {
		case waits:
		case !known:
			if m.delete && !(m.state.fresh && !m.state.whole) {
				note(path, "is not at the source, and was created by somebody else")
			}
		case t.theirs == -1: // the reply did not tell
			t.theirs, t.theirACL = z.Stat.Mzxid, z.Stat.Aversion
			m.state.put(path, t)
		case t.unwritten:
			foreign++
			theirs = append(theirs, path)
		case t.theirs > 0 && (t.theirs != z.Stat.Mzxid || t.theirACL != z.Stat.Aversion):
			note(path, "was changed by somebody else")
		}
		if known && t.seen == m.round {
			seen[path] = struct{}{}
		}
		return nil
	})
	if errors.Is(err, proto.ErrNoNode) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if len(seen) < len(m.state.twins) {
		for path, t := range m.state.twins {
			if _, there := seen[path]; !there && t.seen == m.round && t.theirs != 0 {
				note(path, "was deleted by somebody else")
			}
		}
	}
	m.stat.foreign.Store(int64(foreign))
	return theirs, nil
}

// foreign reports what somebody else has changed, once.
func (m *mirror) foreign(path string, what error) {
	at := m.atDest(path)
	if m.force || m.told[at] || len(m.told) >= maxTold {
		return
	}
	m.told[at] = true
	m.warn("%s: %v; it stays (--force overwrites it)", escape.Line(at), what)
}

// maxTold bounds the foreign changes that are named.
const maxTold = 1000

// firstCopy copies everything, in one stream.
func (m *mirror) firstCopy(ctx context.Context) error {
	opt := m.options()
	opt.Root, opt.NoSequences = m.dst.path, false
	opt.DeleteExtra = m.delete && m.force
	res, err := m.write(nil, func(opt apply.Options) (*apply.Result, error) {
		return apply.Run(ctx, m.dst.conn, opt, func(ctx context.Context, visit func(z *source.Znode) error) error {
			return m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Data: true, ACL: true, Rate: m.rate}, func(w *client.Walked) error {
				if errors.Is(w.Err, proto.ErrNoNode) {
					return nil
				}
				z := source.OfWalk(w)
				if z.Kind != source.Ephemeral {
					m.state.twins[w.Path] = twin{mzxid: w.Stat.Mzxid, next: source.NextSequence(&w.Stat), aversion: w.Stat.Aversion}
				}
				z.Path = m.atDest(w.Path)
				return visit(z)
			})
		})
	}, opt)
	m.unwritten(res, nil)
	return err
}

func (m *mirror) options() apply.Options {
	rate := m.rate
	if rate == 0 {
		rate = -1
	}
	return apply.Options{OnConflict: apply.Overwrite, Rate: rate, NoSequences: true}
}
