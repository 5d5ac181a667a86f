package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

// supervisor is owned by the goroutine of run. Others send to it.
type supervisor struct {
	opt      Options
	cfg      *zoocfg.Config // that the server read
	lock     *filelock.Lock
	engine   engine
	out      *output
	reporter *reporter
	notifier *notifier
	ready    bool // systemd has been told
	page     io.Closer

	conf    configuration
	doors   []door    // those at the start of the server come last
	dynamic string    // the dynamic configuration file when zoo.cfg was last read
	look    time.Time // when zoo.cfg is read again

	family   *family
	child    *child // nil if the server does not run
	answers  chan answer
	hush     context.CancelFunc // ends the questions
	started  time.Time
	answered time.Time // the last answer; zero before the first
	first    time.Time // the first answer
	missed   int       // questions without an answer since then
	ending   bool      // the server has been asked to end
	killAt   time.Time
	stopping bool

	failures  int       // starts in a row that did not last
	nextStart time.Time // when child is nil

	purging   bool
	purged    chan purged
	nextPurge time.Time
}

func newSupervisor(opt Options, cfg *zoocfg.Config, lock *filelock.Lock) (s *supervisor, err error) {
	s = &supervisor{opt: opt, cfg: cfg, lock: lock, family: newFamily(), purged: make(chan purged, 1), out: newOutput(&opt), reporter: newReporter(&opt)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.engine, err = newEngine(&opt); err != nil {
		return s, err
	}
	if s.notifier, err = newNotifier(); err != nil {
		ui.Warn(opt.Streams.Err, "notify systemd: %v", err)
	}
	s.reporter.notify = s.notify
	s.reporter.status.DataDir = cfg.DataDir
	if err := s.out.open(); err != nil {
		return s, err
	}
	if opt.Listen != "" {
		page, url, err := servePage(opt.Listen, s.reporter)
		if err != nil {
			return s, err
		}
		s.page = page
		s.reporter.note("page", "the status is shown at %s", url)
	}
	return s, nil
}

func (s *supervisor) close() {
	if s.engine != nil {
		s.engine.close()
	}
	if s.page != nil {
		_ = s.page.Close()
	}
	s.out.close()
	s.notifier.close()
	s.reporter.out.close()
}

func (s *supervisor) notify(st *status) {
	s.notifier.send("STATUS=" + string(st.State) + ": " + st.Message)
	if !s.ready && (st.State == Serving || st.State == Running) {
		s.ready = true
		s.notifier.send("READY=1")
	}
}

// run is the life of the supervisor.
func (s *supervisor) run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if adopts() {
		defer s.family.reap()()
	}
	var watchdog <-chan time.Time
	if s.notifier != nil && s.notifier.every > 0 {
		tick := time.NewTicker(s.notifier.every)
		defer tick.Stop()
		watchdog = tick.C
	}
	stop := ctx.Done()
	for {
		next, err := s.due(work)
		if err != nil || s.stopping && s.child == nil {
			s.quiet()
			return err
		}
		var ended <-chan struct{}
		if s.child != nil {
			ended = s.child.done
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-stop:
			stop = nil
			s.stop()
		case <-ended:
			err = s.ended()
		case a := <-s.answers:
			s.heard(a)
		case p := <-s.purged:
			s.purging = false
			s.tellPurged(p)
		case err := <-s.out.faults:
			s.reporter.note("log", "the server's output cannot be kept and is dropped: %v", err)
		case <-watchdog:
			s.notifier.send("WATCHDOG=1")
		}
		timer.Stop()
		if err != nil {
			s.quiet()
			return err
		}
	}
}

// due does what is due, and returns when something will be next.
func (s *supervisor) due(ctx context.Context) (next time.Time, err error) {
	now := time.Now()
	if s.child == nil && !s.stopping && !now.Before(s.nextStart) {
		if err := s.launch(ctx); err != nil {
			return now, err
		}
	}
	if s.child != nil && s.ending && !s.killAt.IsZero() && !now.Before(s.killAt) {
		s.killAt = time.Time{}
		s.reporter.note("kill", "process %d has not ended within %s; it is killed", s.child.pid(), brief(s.opt.Grace))
		s.child.kill()
	}
	if !now.Before(s.look) {
		s.look = now.Add(s.opt.look)
		s.lookAtConfig(ctx)
	}
	purges := s.purges() && !s.stopping
	if purges && !s.purging && s.reporter.status.State == Serving && !now.Before(s.nextPurge) {
		s.purge(ctx)
	}
	next = s.look
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if s.child == nil {
		sooner(s.nextStart)
	} else if !s.killAt.IsZero() {
		sooner(s.killAt)
	}
	if purges && !s.purging && s.reporter.status.State == Serving {
		sooner(s.nextPurge)
	}
	return next, nil
}

// launch starts the server, unless that is bound to fail.
func (s *supervisor) launch(ctx context.Context) error {
	text, err := infile.Regular(s.opt.Config)
	if err != nil {
		return &ui.ExitError{Code: exitInvalidConfig, Err: fmt.Errorf("read the configuration: %w", err)}
	}
	cfg, err := loadConfig(&s.opt)
	if err != nil {
		return &ui.ExitError{Code: exitInvalidConfig, Err: err}
	}
	if cfg.DataDir != s.cfg.DataDir {
		return fmt.Errorf("restart %s: its dataDir was changed from %s to %s; start the supervisor again", s.opt.Config, s.cfg.DataDir, cfg.DataDir)
	}
	if s.conf.started != nil {
		if changed, err := zoocfg.Changed(s.conf.started, text); err == nil && len(changed) > 0 {
			s.reporter.note("config", "the server starts with what was changed in %s: %s", s.opt.Config, strings.Join(changed, ", "))
		}
	}
	s.cfg, s.dynamic, s.conf = cfg, cfg.DynamicFile, configuration{started: text, seen: text}
	if s.doors, err = doors(cfg, s.opt.Client); err != nil {
		return &ui.ExitError{Code: exitInvalidConfig, Err: err}
	}
	if err := s.obstacle(); err != nil {
		s.retry("%v", err)
		return nil
	}
	cmd, err := s.engine.command()
	if err == nil {
		cmd.Env = environment()
		s.out.begin()
		s.child, err = start(cmd, s.out, s.lock, s.family)
	}
	if err != nil {
		s.retry("%v", err)
		return nil
	}
	_, s.child.listens = s.engine.(embedded)
	_ = s.lock.Note(fmt.Sprintf("%d\n%d\n", os.Getpid(), s.child.pid()))
	s.started, s.answered, s.first, s.missed, s.ending, s.killAt = time.Now(), time.Time{}, time.Time{}, 0, false, time.Time{}
	s.reporter.update(func(st *status) {
		st.PID, st.Started, st.Answered, st.Next, st.Changed = s.child.pid(), s.started.UnixMilli(), 0, 0, nil
		st.Starts++
		st.Address, st.Purge.By = "", s.purger()
		if len(s.doors) > 0 {
			st.Address = s.doors[0].addr
		}
	})
	s.reporter.state(Starting, "", "process %d, %s", s.child.pid(), s.opt.Config)
	if s.reporter.status.Starts == 1 {
		s.reporter.note("purge", "%s", s.purgeText())
	}
	if len(s.doors) == 0 {
		s.reporter.state(Running, "", "it has no client port at which it could be asked; only its end will be noticed")
		return nil
	}
	s.listen(ctx)
	return nil
}

// listen begins to ask the server.
func (s *supervisor) listen(ctx context.Context) {
	ctx, s.hush = context.WithCancel(ctx)
	s.answers = make(chan answer)
	go askOften(ctx, s.doors, &s.opt, s.answers)
}

// obstacle says what would keep the server from starting.
func (s *supervisor) obstacle() error {
	if pid := localserver.RunningOn(s.cfg.DataDir); pid != 0 {
		return fmt.Errorf("process %d uses the data directory %s", pid, s.cfg.DataDir)
	}
	for key, a := range map[string]zoocfg.HostPort{"clientPort": s.cfg.Client, "secureClientPort": s.cfg.SecureClient} {
		if a.Port == 0 {
			continue
		}
		host := a.Host
		if host == "" && s.opt.Engine == Embedded {
			host = "127.0.0.1"
		}
		ln, err := port.Listen(net.JoinHostPort(host, strconv.Itoa(a.Port)))
		if errors.Is(err, port.ErrTaken) {
			return fmt.Errorf("another program listens on port %d, the %s", a.Port, key)
		}
		if err == nil {
			_ = ln.Close()
		}
	}
	return nil
}

// retry says why the server does not run, and plans the next start.
func (s *supervisor) retry(format string, a ...any) {
	delay := pause(s.failures, s.opt.minDelay, s.opt.MaxDelay)
	s.failures++
	s.nextStart = time.Now().Add(delay)
	s.reporter.update(func(st *status) { st.Next, st.PID = s.nextStart.UnixMilli(), 0 })
	s.reporter.state(Down, "", "%s; the next start is in %s", fmt.Sprintf(format, a...), brief(delay))
}

// pause doubles with each failure.
func pause(failures int, least, most time.Duration) time.Duration {
	d := least
	for ; failures > 0 && d < most; failures-- {
		d *= 2
	}
	return min(d, most)
}

// heard judges an answer, or its absence.
func (s *supervisor) heard(a answer) {
	if s.ending {
		return
	}
	now := time.Now()
	if a.state != Down {
		if s.first.IsZero() {
			s.first = now
		}
		s.answered, s.missed = now, 0
		s.reporter.update(func(st *status) { st.Answered = now.UnixMilli() })
		if a.state == Serving {
			s.reporter.state(Serving, a.mode, "%s at %s, process %d", a.mode, a.addr, s.child.pid())
		} else {
			s.reporter.state(a.state, "", "%s", a.why)
		}
		return
	}
	// Several questions, because this process may itself have been suspended between two.
	s.missed++
	const few = 3
	switch {
	case s.answered.IsZero() && s.missed >= few && now.Sub(s.started) >= s.opt.StartLimit:
		s.hang("no answer within %s after the start: %s", brief(s.opt.StartLimit), a.why)
	case !s.answered.IsZero() && s.missed >= few && now.Sub(s.answered) >= s.opt.HangLimit:
		s.hang("no answer for %s: %s", brief(s.opt.HangLimit), a.why)
	case !s.answered.IsZero():
		s.reporter.state(NotServing, "", "%s", a.why)
	}
}

// hang ends a server that runs and does not answer.
func (s *supervisor) hang(format string, a ...any) {
	s.ending = true
	s.reporter.state(NotServing, "", "it hangs: "+format+"; it is asked to end", a...)
	if s.engine.dumps() {
		dumpThreads(s.child.cmd.Process)
	}
	s.child.end()
	s.killAt = time.Now().Add(s.opt.Grace)
}

// stop ends the server for good.
func (s *supervisor) stop() {
	s.stopping = true
	s.notifier.send("STOPPING=1")
	if s.child == nil {
		s.reporter.state(Down, "", "the supervisor ends")
		return
	}
	s.ending = true
	s.reporter.state(Stopping, "", "process %d is asked to end", s.child.pid())
	s.child.end()
	s.killAt = time.Now().Add(s.opt.Grace)
}

// quiet ends the questions.
func (s *supervisor) quiet() {
	if s.hush != nil {
		s.hush()
	}
	s.hush, s.answers = nil, nil
}

// ended decides what follows the end of the server. It returns an error if nothing but a person can help.
func (s *supervisor) ended() error {
	c := s.child
	s.quiet()
	s.child = nil
	how := fmt.Sprintf("process %d %s", c.pid(), c.ending())
	if s.ending && !s.stopping {
		how += " after it hung"
	}
	_ = s.lock.Note(fmt.Sprintf("%d\n", os.Getpid()))
	s.reporter.update(func(st *status) { st.LastEnd, st.PID = how, 0 })
	if s.stopping {
		s.reporter.state(Down, "", "%s", how)
		return nil
	}
	if !s.ending && c.exitCode() >= 0 {
		if why := s.engine.reason(s.out.end()); why != "" {
			how += ": " + clipped(why)
		}
	}
	if code := s.engine.fatal(c.exitCode()); code != 0 && !s.ending {
		s.reporter.state(Down, "", "%s", how)
		return &ui.ExitError{Code: code, Err: fmt.Errorf("the server cannot start with %s: %s", s.opt.Config, how)}
	}
	if !s.first.IsZero() && time.Since(s.first) >= s.opt.MaxDelay {
		s.failures = 0
	}
	s.retry("%s", how)
	return nil
}

// clipped is the text for a line that others are to follow.
func clipped(text string) string {
	const most = 300
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "�")
}

// lookAtConfig says what a person has changed, and follows what the server has.
func (s *supervisor) lookAtConfig(ctx context.Context) {
	if s.child == nil {
		return
	}
	byPerson, rewritten := s.conf.look(s.opt.Config)
	if byPerson {
		s.reporter.update(func(st *status) { st.Changed = s.conf.changed })
		switch {
		case s.conf.fault != "":
			s.reporter.note("config", "%s cannot be read: %s; the server keeps what it has read", s.opt.Config, s.conf.fault)
		case len(s.conf.changed) == 0:
			s.reporter.note("config", "%s is again as the server has read it", s.opt.Config)
		default:
			s.reporter.note("config", "%s was changed: %s; the server keeps what it has read until it is restarted", s.opt.Config, strings.Join(s.conf.changed, ", "))
		}
	}
	if !rewritten {
		return
	}
	// A reconfiguration may have moved the client port. The old one is still asked: what a person has changed beside it is
	// not in effect yet.
	cfg, err := loadConfig(&s.opt)
	if err != nil || cfg.DynamicFile == s.dynamic {
		return
	}
	s.dynamic = cfg.DynamicFile
	if list, err := doors(cfg, s.opt.Client); err == nil && len(list) > 0 && len(s.doors) > 0 && list[0].addr != s.doors[0].addr {
		s.doors = append(list, s.doors...)
		s.quiet()
		s.listen(ctx)
		s.reporter.update(func(st *status) { st.Address = list[0].addr })
		s.reporter.note("config", "a reconfiguration has moved the client port to %s", list[0].addr)
	}
}
