package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

// mirror keeps one tree like another. All of it belongs to the goroutine of loop, but dirty and stat.
type mirror struct {
	*mirrorOptions
	src, dst *end
	state    *mirrorState
	dirty    source.Changes
	stat     mirrorStat
	parents  map[string]struct{} // whose numbers of sequential children may lag behind
	refused  map[string]struct{} // that could not be written
	others   map[string]struct{} // that somebody else has changed at the destination
	told     map[string]bool     // of both, what was reported
	line     *statusLine
}

// atSource returns the path at the source of what has a path at the destination, and atDest the other way round.
func (m *mirror) atSource(path string) string { return zpath.Rebase(path, m.dst.path, m.src.path) }
func (m *mirror) atDest(path string) string   { return zpath.Rebase(path, m.src.path, m.dst.path) }

// reserved reports whether a znode, by its path at the source, is the servers' own at one of the ends.
func (m *mirror) reserved(path string) bool {
	return apply.Reserved(m.src.conn, path) || apply.Reserved(m.dst.conn, m.atDest(path))
}

// stopError ends a mirror.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

// loop brings the destination into step, and keeps it there.
func (m *mirror) loop(ctx context.Context) error {
	m.told, m.parents, m.refused, m.others = map[string]bool{}, map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}
	verify := time.NewTicker(m.verify)
	defer verify.Stop()
	m.line = newStatusLine(m.env, m.once)
	defer m.line.end()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	m.dirty.Miss()      // everything is compared first
	var since time.Time // of the trouble there is
	for {
		done, err := m.advance(ctx)
		var stop stopError
		switch {
		case ctx.Err() != nil:
			return m.stopped(ctx)
		case errors.As(err, &stop):
			return stop.error
		case err != nil:
			m.stat.trouble(err)
			m.show()
			if since.IsZero() {
				since = time.Now()
			}
			if m.once && time.Since(since) > oncePatience*m.patience {
				return fmt.Errorf("given up after %v: %w", time.Since(since).Round(time.Second), m.env.Explain(ctx, err))
			}
			timer := time.NewTimer(m.patience)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		since = time.Time{}
		if !done {
			m.show()
			select {
			case <-verify.C: // the source may never be idle
				m.dirty.Miss()
			default:
			}
			continue
		}
		m.stat.inStep()
		if m.once {
			m.line.end()
			return m.finished()
		}
		m.show()
		select {
		case <-m.dirty.Wake():
		case <-verify.C:
			m.dirty.Miss()
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// oncePatience is how long a mirror with --once goes on trying, as a multiple of the time between attempts.
const oncePatience = 30

// advance does what there is to do, and reports whether the destination is in step then.
func (m *mirror) advance(ctx context.Context) (inStep bool, err error) {
	if err := m.step(ctx); err != nil {
		return false, err
	}
	if left, lost := m.dirty.Left(); left > 0 || lost {
		return false, nil
	}
	inStep, err = m.raise(ctx)
	if err != nil {
		m.dirty.Miss()
	}
	return inStep, err
}

// warn prints a warning above the status line.
func (m *mirror) warn(format string, a ...any) {
	m.line.end()
	m.env.Warn(format, a...)
}

// stopped is the end of a mirror that was interrupted, which is how it is meant to end.
func (m *mirror) stopped(ctx context.Context) error {
	text := m.status()
	m.line.end()
	if m.once {
		return command.Stopped(ctx, ctx.Err(), text)
	}
	m.env.Note("stopped: %s", text)
	return nil
}

// finished is the end with --once.
func (m *mirror) finished() error {
	if m.env.Output == ui.JSON {
		if err := m.env.PrintJSON(m.statusObject()); err != nil {
			return err
		}
	} else if !m.env.Quiet {
		fmt.Fprintln(m.env.Streams.Out, m.env.Streams.Fold(m.status()))
	}
	switch failed, foreign := m.stat.failed.Load(), m.stat.foreign.Load(); {
	case failed > 0:
		return &ui.ExitError{Code: ui.ExitFailed, Err: fmt.Errorf("%s could not be mirrored", command.Counted(int(failed), "znode"))}
	case foreign > 0:
		return &ui.ExitError{Code: ui.ExitFailed, Err: fmt.Errorf("somebody else has changed %s at the destination; --force overwrites that", command.Counted(int(foreign), "znode"))}
	}
	return nil
}

// step does what there is to do. After an error it is called again.
func (m *mirror) step(ctx context.Context) error {
	if err := m.open(ctx, m.src, "the source cannot be read", func() error {
		m.stat.reconnects.Add(1)
		m.dirty.Miss()
		return m.watch(ctx)
	}); err != nil {
		return err
	}
	if err := m.open(ctx, m.dst, "the destination cannot be written", func() error { return nil }); err != nil {
		return err
	}
	m.stat.resumed()
	paths, lost := m.dirty.Take()
	paths = slices.DeleteFunc(paths, m.reserved)
	m.stat.applying.Store(int64(len(paths)))
	m.stat.comparing.Store(lost != nil)
	defer func() {
		m.stat.applying.Store(0)
		m.stat.comparing.Store(false)
	}()
	var err error
	if lost != nil {
		err = m.compare(ctx)
	} else {
		err = m.patch(ctx, slices.Chunk(paths, chunk))
	}
	if err != nil {
		m.dirty.Add(paths...)
		if lost != nil {
			m.dirty.Miss()
		}
		return err
	}
	m.stat.zxid.Store(m.src.conn.Zxid())
	return m.stopIf(m.state.flush())
}

// open waits for the session with an end, and says so if there is no connection. renewed is called if the session is a new one.
func (m *mirror) open(ctx context.Context, e *end, broken string, renewed func() error) error {
	wrap := func(err error) error { return m.env.At(e.location, fmt.Errorf("%s: %w", broken, err)) }
	if e.conn != nil && e.conn.Err() != nil && !m.stat.inTrouble() {
		m.stat.trouble(wrap(e.conn.Err()))
		m.show()
	}
	fresh, err := e.open(ctx)
	if err == nil && fresh {
		err = renewed()
	}
	if err != nil {
		return wrap(err)
	}
	return nil
}

func (m *mirror) stopIf(err error) error {
	if err != nil {
		return stopError{err}
	}
	return nil
}
