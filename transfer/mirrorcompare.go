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
	if m.state.twins.len() == 0 {
		if err := m.firstCopy(ctx); err != nil {
			return err
		}
	}
	clear(m.refused)
	m.stat.failed.Store(0)
	changed, gone, err := m.compareSource(ctx)
	if err != nil {
		return err
	}
	if err := m.mayDelete(len(gone)); err != nil {
		return err
	}
	theirs, err := m.compareDest(ctx, gone)
	if err != nil {
		return err
	}
	if m.force {
		changed = append(changed, theirs...)
	}
	for path := range gone {
		changed = append(changed, path)
	}
	slices.SortFunc(changed, source.Compare)
	if err := m.patch(ctx, slices.Compact(changed)); err != nil {
		return err
	}
	m.state.mark(false, true)
	m.stat.compared.Store(time.Now().UnixNano())
	return nil
}

// compareSource finds what has changed at the source since it was mirrored, and what is gone.
func (m *mirror) compareSource(ctx context.Context) (changed []string, gone map[string]struct{}, err error) {
	known, err := m.state.twins.beside()
	if err != nil {
		return nil, nil, stopError{err}
	}
	defer known.done()
	gone = map[string]struct{}{}
	missed := func(path string, _ twin) { gone[path] = struct{}{} }
	err = m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		switch t, mirrored, err := known.at(z.Path, missed); {
		case err != nil:
			return stopError{err}
		case errors.Is(z.Err, proto.ErrNoNode), z.Known && z.Stat.EphemeralOwner != 0:
			if mirrored {
				missed(z.Path, t)
			}
		case !mirrored, z.Err != nil, t.mzxid != z.Stat.Mzxid, t.next != source.NextSequence(&z.Stat), t.aversion != z.Stat.Aversion:
			changed = append(changed, z.Path)
		}
		return nil
	})
	if err == nil {
		err = m.stopIf(known.rest(missed))
	}
	return changed, gone, err
}

// mayDelete stops a mirror before it deletes very much.
func (m *mirror) mayDelete(gone int) error {
	const few = 10
	if !m.delete || m.force || gone <= max(few, m.state.twins.len()/10) {
		return nil
	}
	return stopError{fmt.Errorf("%s of %s znodes are gone at the source, which looks empty; nothing was deleted at the destination; if that is right, run it with --force",
		command.Thousands(gone), command.Thousands(m.state.twins.len()))}
}

// compareDest finds what somebody else has changed at the destination. What is gone at the source does not count.
func (m *mirror) compareDest(ctx context.Context, gone map[string]struct{}) (theirs []string, err error) {
	known, err := m.state.twins.beside()
	if err != nil {
		return nil, stopError{err}
	}
	defer known.done()
	foreign := 0
	note := func(path string, t twin, what string) {
		foreign++
		theirs = append(theirs, path)
		m.foreign(path, errors.New(what))
		if t != (twin{}) {
			t.unwritten = true
			m.state.put(path, t)
		}
	}
	missed := func(path string, t twin) {
		if _, expected := gone[path]; !expected && t.theirs != 0 {
			note(path, twin{}, "was deleted by somebody else")
		}
	}
	err = m.dst.conn.Walk(ctx, m.dst.path, client.WalkOptions{Stat: true, Rate: m.rate}, func(z *client.Walked) error {
		path := m.atSource(z.Path)
		t, mirrored, err := known.at(path, missed)
		_, waits := m.state.pending[path]
		if mirrored && source.NextSequence(&z.Stat) < t.next {
			m.parents[path] = struct{}{}
		}
		switch {
		case err != nil:
			return stopError{err}
		case errors.Is(z.Err, proto.ErrNoNode):
			if mirrored {
				missed(path, t)
			}
		case z.Err != nil, z.Stat.EphemeralOwner != 0, waits:
		case !mirrored:
			if m.delete && !(m.state.fresh && !m.state.whole) {
				note(path, twin{}, "is not at the source, and was created by somebody else")
			}
		case t.theirs == -1: // the reply did not tell
			t.theirs, t.theirACL = z.Stat.Mzxid, z.Stat.Aversion
			m.state.put(path, t)
		case t.unwritten:
			foreign++
			theirs = append(theirs, path)
		case t.theirs > 0 && (t.theirs != z.Stat.Mzxid || t.theirACL != z.Stat.Aversion):
			note(path, t, "was changed by somebody else")
		}
		return nil
	})
	if errors.Is(err, proto.ErrNoNode) {
		err = nil
	}
	if err == nil {
		err = m.stopIf(known.rest(missed))
	}
	if err != nil {
		return nil, err
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
	stats := map[string]proto.Stat{} // of what is not written yet
	res, err := m.write(stats, func(opt apply.Options) (*apply.Result, error) {
		return apply.Run(ctx, m.dst.conn, opt, func(ctx context.Context, visit func(z *source.Znode) error) error {
			return m.src.conn.Walk(ctx, m.src.path, client.WalkOptions{Stat: true, Data: true, ACL: true, Rate: m.rate}, func(w *client.Walked) error {
				z := source.OfWalk(w)
				if errors.Is(w.Err, proto.ErrNoNode) || z.Kind == source.Ephemeral {
					return nil
				}
				stats[w.Path] = w.Stat
				z.Path = m.atDest(w.Path)
				return visit(z)
			})
		})
	}, opt)
	m.unwritten(res, stats)
	return err
}

func (m *mirror) options() apply.Options {
	rate := m.rate
	if rate == 0 {
		rate = -1
	}
	return apply.Options{OnConflict: apply.Overwrite, Rate: rate, NoSequences: true}
}
