package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/ui"
)

// Options say what top shows, and where.
type Options struct {
	Streams *ui.Streams
	Prober  *probe.Prober
	Widen   bool          // ask the members of the ensemble's configuration too
	Every   time.Duration // between two samples
	Timeout time.Duration // for a member's answer
	Log     string        // a data directory whose transaction log shows which paths are written; "" for none
	Once    bool          // print one sample that has rates
	JSON    bool          // print objects
}

// Interactive reports whether a screen is shown, rather than one line per sample.
func (o *Options) Interactive() bool {
	return o.Streams.OutTTY && !o.Once && !o.JSON && os.Getenv("TERM") != "dumb"
}

// Run shows the ensemble once, or until a key or ctx ends it. It returns the last verdict.
func Run(ctx context.Context, opt Options) (probe.Verdict, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &top{Options: opt, ctx: ctx, seen: make(chan seen), listed: make(chan *listing), failed: make(chan error, 1), broken: make(chan string, 1),
		asking: map[string]bool{}, next: map[string]time.Time{}}
	t.model = model{at: time.Now(), began: time.Now(), every: opt.Every, listings: map[string]*listing{}}
	if opt.Log != "" {
		log, err := openPathLog(opt.Log)
		if err != nil {
			return probe.Verdict{}, err
		}
		t.log, t.model.logged = log, true
		t.guarded(func() { log.follow(ctx) })
	}
	w := &probe.Watch{Prober: opt.Prober, Widen: opt.Widen, Every: opt.Every, Patience: opt.Timeout, Seen: func(s *probe.Survey, round int) {
		select {
		case t.seen <- seen{s, round}:
		case <-ctx.Done():
		}
	}}
	t.guarded(func() {
		if err := w.Run(ctx); ctx.Err() == nil {
			t.failed <- err
		}
	})
	run := t.print
	if opt.Interactive() {
		run = t.show
	}
	err := run()
	return t.model.verdict, err
}

// top is a run. Its methods belong to one goroutine.
type top struct {
	Options
	ctx    context.Context
	model  model
	past   chronicle
	log    *pathLog
	round  int
	seen   chan seen
	listed chan *listing
	failed chan error
	broken chan string          // the panic of another goroutine
	asking map[string]bool      // members that are being asked for their connections
	next   map[string]time.Time // when a member may be asked again
}

// seen is a survey of a round.
type seen struct {
	survey *probe.Survey
	round  int
}

// guarded runs f on another goroutine. The loop repeats a panic of it after restoring the terminal.
func (t *top) guarded(f func()) {
	go func() {
		defer func() {
			if r := recover(); r != nil {
				t.broken <- fmt.Sprintf("%v\n\n%s", r, debug.Stack())
			}
		}()
		f()
	}()
}

const (
	// consShare is the shortest time between two listings of a member's connections, as a multiple of what the last one took:
	// listing many connections takes long, and costs the member time.
	consShare = 10
	// consPause is the number of samples after which a member that does not list its connections is asked again.
	consPause = 30
)

// take stores a survey, and asks the serving members for their connections.
func (t *top) take(s seen) {
	fresh := s.round != t.round || t.model.survey == nil
	t.round = s.round
	t.model.take(s.survey, fresh)
	t.past.observe(t.model.at, s.survey)
	t.model.events = t.past.events
	for _, r := range s.survey.Readings {
		name := r.Name()
		if r.State != probe.Serving || t.asking[name] || !fresh && t.model.listings[name] != nil || time.Now().Before(t.next[name]) {
			continue
		}
		t.asking[name] = true
		m, before := r.Member, t.model.listings[name]
		t.guarded(func() {
			ctx, cancel := context.WithTimeout(t.ctx, t.Timeout)
			defer cancel()
			l := cons(ctx, t.Prober, &m, before)
			select {
			case t.listed <- l:
			case <-t.ctx.Done():
			}
		})
	}
}

// list stores a member's connections.
func (t *top) list(l *listing) {
	name := l.member.Name()
	delete(t.asking, name)
	t.model.listings[name] = l
	pause := consShare * l.took
	if errors.Is(l.err, probe.ErrNotWhitelisted) {
		pause = consPause * t.Every
	}
	t.next[name] = l.at.Add(pause)
}

// follow stores the paths from the log.
func (t *top) follow(byParent bool) {
	if t.log != nil {
		t.model.paths, t.model.pathsErr = t.log.rates(time.Now(), byParent)
	}
}

// print prints one line per sample.
func (t *top) print() error {
	due := false // the sample of this round has not been printed
	told := 0    // events
	write := func() error {
		due = false
		t.model.connect(false)
		t.follow(false)
		events := t.past.since(told)
		told = t.past.total
		if t.JSON {
			return t.model.object(t.Streams.Out, events)
		}
		return t.model.line(t.Streams.Out, events)
	}
	for {
		select {
		case <-t.ctx.Done():
			return t.ctx.Err()
		case err := <-t.failed:
			return err
		case p := <-t.broken:
			panic(p)
		case s := <-t.seen:
			if due && s.round != t.round { // connections are late
				if err := write(); err != nil || t.Once {
					return err
				}
			}
			due = due || s.round != t.round && (!t.Once || s.round > 0) || t.model.survey == nil && !t.Once
			t.take(s)
		case l := <-t.listed:
			t.list(l)
		}
		if due && len(t.asking) == 0 {
			if err := write(); err != nil || t.Once {
				return err
			}
		}
	}
}

// unhurried is how long an update may wait to be drawn together with later ones.
const unhurried = 100 * time.Millisecond

// show shows the screen until a key ends it.
func (t *top) show() error {
	out, err := t.Streams.OpenScreen()
	if err != nil {
		return err
	}
	defer out.Close()
	u := newScreen(t.Streams)
	var frozen *model
	paint := func() error {
		shown := &t.model
		switch {
		case !u.paused:
			frozen = nil
			t.follow(u.parents)
		case frozen == nil:
			frozen = t.model.copy()
			fallthrough
		default:
			shown = frozen
		}
		shown.connect(u.each)
		width, height := out.Size()
		return out.Show(u.frame(shown, width, height))
	}
	if err := paint(); err != nil {
		return err
	}
	soon := time.NewTimer(time.Hour)
	soon.Stop()
	defer soon.Stop()
	later := false // soon is running
	hurry := func() {
		if !later {
			later = true
			soon.Reset(unhurried)
		}
	}
	for {
		out.Listen()
		now := false // draw at once
		select {
		case <-t.ctx.Done():
			return t.ctx.Err()
		case err := <-t.failed:
			return err
		case p := <-t.broken:
			out.Close()
			panic(p)
		case <-out.Resized():
			now = true
		case s := <-t.seen:
			now = t.model.survey == nil
			t.take(s)
			hurry()
		case l := <-t.listed:
			t.list(l)
			hurry()
			if len(t.asking) == 0 { // the round is complete
				now, later = !u.paused, false
				soon.Stop()
			}
		case <-soon.C:
			now, later = !u.paused, false
		case a := <-out.Arrived():
			end, err := t.keys(u, out, a)
			if end || err != nil {
				return err
			}
			now = true
		case <-out.Late():
			if _, err := t.keys(u, out, ui.Arrival{}); err != nil {
				return err
			}
			now = true
		}
		if now {
			if err := paint(); err != nil {
				return err
			}
		}
	}
}

// keys handles what was typed; end reports whether top ends.
func (t *top) keys(u *screen, out *ui.Screen, a ui.Arrival) (end bool, err error) {
	pressed, err := out.Keys(a)
	for _, p := range pressed {
		switch u.press(p) {
		case quit:
			return true, nil
		case suspend:
			if err := out.Suspend(); err != nil {
				return true, err
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

// copy returns a copy of the model.
func (m *model) copy() *model {
	c := *m
	c.listings = maps.Clone(m.listings)
	c.requests = map[string]*history{}
	for name, h := range m.requests {
		now := append(history{}, *h...)
		c.requests[name] = &now
	}
	c.writes, c.reads = append(history{}, m.writes...), append(history{}, m.reads...)
	c.events = append([]event{}, m.events...)
	return &c
}

// since returns the events after the first n.
func (c *chronicle) since(n int) []event {
	return c.events[max(0, len(c.events)-(c.total-n)):]
}
