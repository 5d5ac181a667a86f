package ensemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/webguard"
)

// DefaultExporter is where the exporter listens unless --listen says otherwise.
const DefaultExporter = "127.0.0.1:9141"

type exporterOptions struct {
	asking
	listen string
}

func newExporterCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &exporterOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:   "exporter",
		Short: "serve metrics of all members to Prometheus",
		Long: `Serve a page of metrics, /metrics, for Prometheus. Each scrape asks all members, by
whatever way is open; scrapes at the same time share the answers. The members'
metrics have ZooKeeper's own names and the labels id and address; what a member
did not report is missing. Metrics named zkctl_* are about quorum, leader and lag.

It runs until Ctrl-C or SIGTERM. Each change of the verdict is logged to stderr.
--timeout must be shorter than Prometheus's scrape_timeout.`,
		Example: `  zkctl -server zk1 ensemble exporter
  zkctl ensemble exporter --members zk1:2181,zk2:2181,zk3:2181 --listen 0.0.0.0:9141
  # in another terminal: curl -s 127.0.0.1:9141/metrics`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runExporter(c.Context(), opt) },
	}
	opt.add(c)
	c.Flags().StringVar(&opt.listen, "listen", DefaultExporter, "`address` to listen on: host:port, 0.0.0.0:port for everyone")
	return c
}

func runExporter(ctx context.Context, opt *exporterOptions) error {
	host, number, err := net.SplitHostPort(opt.listen)
	if err != nil {
		return fmt.Errorf("--listen: %q is not host:port", opt.listen)
	}
	if host == "" { // nobody beyond this machine unless asked
		host = "127.0.0.1"
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	if _, err := p.Members(); err != nil {
		return err
	}
	ln, err := port.Listen(net.JoinHostPort(host, number))
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	e := &exporter{ctx: ctx, prober: p, widen: widen, timeout: opt.timeout, log: opt.streams.Err}
	return e.serve(ln)
}

// exporter asks the members when it is scraped.
type exporter struct {
	ctx     context.Context // of the run
	prober  *probe.Prober
	widen   bool
	timeout time.Duration
	log     io.Writer

	mu      sync.Mutex
	running *flight // nil while no scrape waits
	known   *probe.Survey
	looked  time.Time // when members were last looked for
	said    string    // the verdict that was logged last
}

// flight is a survey under way, which all scrapes of that time share.
type flight struct {
	done   chan struct{}
	survey *probe.Survey // once done is closed
	err    error
}

// lookAgain is how long the members that were found are asked without looking for others, which may cost a session.
const lookAgain = 5 * time.Minute

// survey joins the survey under way, or begins one.
func (e *exporter) survey(ctx context.Context) (*probe.Survey, error) {
	e.mu.Lock()
	f := e.running
	if f == nil {
		f = &flight{done: make(chan struct{})}
		e.running = f
		known := e.known
		if time.Since(e.looked) > lookAgain || known == nil || outdated(known) {
			known = nil
		}
		go e.fly(f, known)
	}
	e.mu.Unlock()
	select {
	case <-f.done:
		return f.survey, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *exporter) fly(f *flight, known *probe.Survey) {
	if known == nil {
		f.survey, f.err = survey(e.ctx, e.prober, e.widen, e.timeout)
	} else {
		ctx, cancel := context.WithTimeout(e.ctx, e.timeout)
		f.survey = e.prober.Again(ctx, known)
		cancel()
	}
	e.mu.Lock()
	e.running = nil
	if f.err == nil {
		e.known = f.survey
		if known == nil {
			e.looked = time.Now()
		}
		e.note(f.survey)
	}
	e.mu.Unlock()
	close(f.done)
}

// outdated reports whether members have to be looked for again: nobody serves where they were, or the configuration
// has changed.
func outdated(s *probe.Survey) bool {
	serving := false
	for _, r := range s.Readings {
		serving = serving || r.State == probe.Serving
		if r.Config != nil && s.Config != nil && r.Config.Version() > s.Config.Version() {
			return true
		}
	}
	return !serving
}

// note logs the verdict if it is another one than before.
func (e *exporter) note(s *probe.Survey) {
	if e.ctx.Err() != nil {
		return
	}
	v := s.Judge()
	text := v.Sentence
	for _, problem := range v.Problems {
		text += "; " + problem
	}
	if text != e.said {
		e.said = text
		fmt.Fprintf(e.log, "%s %s\n", time.Now().Format(time.RFC3339), escape.Line(text))
	}
}

// Bounds of the exporter's HTTP.
const (
	scraperPatience = 10 * time.Second // for a request to arrive, or an answer to be taken
	farewell        = time.Second      // for scrapes under way when it ends
)

func (e *exporter) serve(ln net.Listener) error {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /metrics", e.metrics)
	pages.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>zkctl</title><p>ZooKeeper ensemble: <a href=\"/metrics\">metrics</a></p>\n")
	})
	guard := webguard.Guard{What: "exporter", Local: webguard.OnLoopback(ln.Addr())}
	server := http.Server{Handler: guard.Handler(pages), ReadHeaderTimeout: scraperPatience, IdleTimeout: 2 * time.Minute,
		WriteTimeout: e.timeout + scraperPatience, MaxHeaderBytes: 8 << 10}
	fmt.Fprintf(e.log, "metrics are at http://%s/metrics\n", ln.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve metrics at %s: %w", ln.Addr(), err)
	case <-e.ctx.Done():
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), farewell)
	defer cancel()
	if err := server.Shutdown(within); err != nil {
		_ = server.Close()
	}
	return nil
}

// metrics answers a scrape. An ensemble that cannot be reached is an answer too.
func (e *exporter) metrics(w http.ResponseWriter, r *http.Request) {
	s, err := e.survey(r.Context())
	switch {
	case errors.Is(err, context.Canceled):
		http.Error(w, "the exporter is ending", http.StatusServiceUnavailable)
		return
	case err != nil:
		http.Error(w, escape.Line(err.Error()), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", exposition.ContentType)
	_, _ = exposed(s).WriteTo(w)
}
