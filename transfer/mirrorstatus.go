package transfer

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/webguard"
)

// mirrorStat is how a mirror is doing, for the status line and for scrapes.
type mirrorStat struct {
	znodes, applied, foreign, failed, reconnects atomic.Int64
	zxid                                         atomic.Int64 // of the source, up to which changes are applied
	compared                                     atomic.Int64 // when all was compared last, in ns since 1970
	stepped                                      atomic.Int64 // when it was in step last
	now                                          atomic.Bool  // it is
	applying                                     atomic.Int64 // changes
	comparing                                    atomic.Bool  // everything

	mu  sync.Mutex
	err error // why it is not
}

func (s *mirrorStat) trouble(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.now.Store(false)
}

// inTrouble reports whether something is the matter.
func (s *mirrorStat) inTrouble() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

// resumed says that the trouble is over.
func (s *mirrorStat) resumed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = nil
}

func (s *mirrorStat) inStep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = nil
	s.now.Store(true)
	s.stepped.Store(time.Now().UnixNano())
}

// behind is how many changes are known and not applied.
func (m *mirror) behind() (n int, unknown bool) {
	n, lost := m.dirty.Left()
	return n + int(m.stat.applying.Load()), lost || m.stat.comparing.Load()
}

// phase is what a mirror does.
type phase string

const (
	phaseWaiting   phase = "waiting"
	phaseCopying   phase = "copying"
	phaseComparing phase = "comparing"
	phaseBehind    phase = "behind"
	phaseInStep    phase = "in step"
)

// phase returns what the mirror does, and what may change with each attempt or change: why it waits, and by how much it is behind.
func (m *mirror) phase() (is phase, detail string) {
	m.stat.mu.Lock()
	trouble := m.stat.err
	m.stat.mu.Unlock()
	n, lost := m.behind()
	switch {
	case trouble != nil:
		return phaseWaiting, ": " + escape.Line(trouble.Error())
	case m.stat.compared.Load() == 0:
		return phaseCopying, ""
	case lost:
		return phaseComparing, ""
	case n > 0:
		return phaseBehind, " by " + command.Counted(n, "change")
	}
	return phaseInStep, ""
}

// show shows the status on the status line.
func (m *mirror) show() {
	is, detail := m.phase()
	m.line.show(is, func() string { return m.describe(is, detail) })
}

// status is the text of the status line.
func (m *mirror) status() string { return m.describe(m.phase()) }

func (m *mirror) describe(is phase, detail string) string {
	text := fmt.Sprintf("%s%s; %s", is, detail, command.Counted(int(m.stat.znodes.Load()), "znode"))
	if zxid := m.stat.zxid.Load(); zxid != 0 {
		text += fmt.Sprintf(", last zxid 0x%x", uint64(zxid))
	}
	if at := m.stat.compared.Load(); at != 0 {
		text += fmt.Sprintf("; ACLs as of %v ago, compared every %v", time.Since(time.Unix(0, at)).Round(time.Second), m.verify)
	}
	if n := m.stat.foreign.Load(); n > 0 {
		text += fmt.Sprintf("; %s changed by others", command.Thousands(int(n)))
	}
	if n := m.stat.failed.Load(); n > 0 {
		text += fmt.Sprintf("; %s failed", command.Thousands(int(n)))
	}
	return text
}

// statusObject is the status in JSON.
func (m *mirror) statusObject() command.Object {
	n, lost := m.behind()
	return command.Object{"inStep": m.stat.now.Load(), "behind": n, "comparing": lost, "znodes": m.stat.znodes.Load(), "zxid": proto.Hex(m.stat.zxid.Load()),
		"applied": m.stat.applied.Load(), "foreign": m.stat.foreign.Load(), "failed": m.stat.failed.Load(), "reconnects": m.stat.reconnects.Load()}
}

// statusLine shows the status on stderr: on a terminal on one line, elsewhere when the phase changes, and once a minute.
type statusLine struct {
	env   *command.Env
	quiet bool
	line  *ui.Status
	shown time.Time
	phase phase
}

// statusEvery is the time between two lines where there is no terminal and the phase stays.
const statusEvery = time.Minute

func newStatusLine(env *command.Env, quiet bool) *statusLine {
	return &statusLine{env: env, quiet: quiet || env.Quiet, line: env.Streams.NewStatus()}
}

func (l *statusLine) show(is phase, text func() string) {
	s := l.env.Streams
	now := time.Now()
	news := is != l.phase && (is != phaseBehind || l.phase != phaseInStep) // each change of a busy source is none
	switch {
	case s.ErrTTY:
		l.line.Set(text)
		return
	case !l.quiet && (news || now.Sub(l.shown) > statusEvery):
		_, _ = fmt.Fprintf(s.Err, "%s %s\n", now.Format(time.RFC3339), text())
	default:
		return
	}
	l.shown, l.phase = now, is
}

// end removes the line.
func (l *statusLine) end() { l.line.Done() }

// Bounds of the HTTP of metrics.
const (
	scraperPatience = 10 * time.Second
	largestHeader   = 8 << 10
)

// serveMetrics serves metrics, if that is asked for, until stop is called.
func (m *mirror) serveMetrics() (stop func(), err error) {
	if m.metrics == "" {
		return func() {}, nil
	}
	host, number, err := net.SplitHostPort(m.metrics)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %q is not host:port", m.metrics)
	}
	if host == "" { // nobody beyond this machine unless asked
		host = "127.0.0.1"
	}
	ln, err := port.Listen(net.JoinHostPort(host, number))
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	pages := http.NewServeMux()
	pages.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", exposition.ContentType)
		_, _ = m.page().WriteTo(w)
	})
	guard := webguard.Guard{What: "mirror", Local: webguard.OnLoopback(ln.Addr())}
	server := &http.Server{Handler: guard.Handler(pages), ReadHeaderTimeout: scraperPatience, WriteTimeout: scraperPatience, IdleTimeout: time.Minute, MaxHeaderBytes: largestHeader}
	m.env.Note("metrics are at http://%s/metrics", ln.Addr())
	go func() { _ = server.Serve(ln) }() // until Close
	return func() { _ = server.Close() }, nil
}

// page is what a scrape gets.
func (m *mirror) page() *exposition.Page {
	var p exposition.Page
	gauge := func(name, help string, v float64) { p.Family("zkctl_mirror_"+name, exposition.Gauge, help).Add(v) }
	count := func(name, help string, v float64) { p.Family("zkctl_mirror_"+name, exposition.Counter, help).Add(v) }
	in := 0.0
	n, _ := m.behind()
	if m.stat.now.Load() && n == 0 {
		in = 1
	}
	since := func(at int64) float64 {
		if at == 0 {
			return -1
		}
		return time.Since(time.Unix(0, at)).Seconds()
	}
	gauge("in_step", "Whether the destination is like the source, as far as is known.", in)
	gauge("behind", "Changes that are known and not applied.", float64(n))
	gauge("znodes", "Znodes that are mirrored.", float64(m.stat.znodes.Load()))
	gauge("zxid", "The source's last transaction up to which changes are applied.", float64(m.stat.zxid.Load()))
	gauge("in_step_age_seconds", "Time since the destination was in step; -1 before that.", since(m.stat.stepped.Load()))
	gauge("compared_age_seconds", "Time since all znodes, with their ACLs, were compared; -1 before that.", since(m.stat.compared.Load()))
	gauge("foreign", "Znodes at the destination that somebody else has changed.", float64(m.stat.foreign.Load()))
	gauge("failed", "Znodes that could not be written.", float64(m.stat.failed.Load()))
	count("applied_total", "Changes that were applied.", float64(m.stat.applied.Load()))
	count("reconnects_total", "Sessions with the source that were opened after one had ended.", float64(m.stat.reconnects.Load()))
	return &p
}
