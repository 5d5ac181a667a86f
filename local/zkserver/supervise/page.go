package supervise

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/webguard"
)

// pageHead is the page's beginning.
const pageHead = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.5rem } th, td { text-align: left; vertical-align: top; padding: .15rem 1.5rem .15rem 0 } th { font-weight: 600; white-space: nowrap }
.serving { color: #176d2b } .down, .not { color: #b3261e }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } .serving { color: #7bd88f } .down, .not { color: #ff8a80 } }
</style>
`

// page is the status in HTML. It is not made by html/template, which links every exported method of
// the program and adds 2 MB to the binary.
func page(s status) string {
	var b strings.Builder
	// put writes a format whose arguments are text, which it escapes.
	put := func(format string, text ...string) {
		args := make([]any, len(text))
		for i, t := range text {
			args[i] = html.EscapeString(t)
		}
		fmt.Fprintf(&b, format, args...)
	}
	b.WriteString(pageHead)
	state := string(s.State)
	put("<title>%s: %s</title></head><body>\n<h1 class=\"%s\">%s</h1>\n<p>%s</p>\n<table>\n", state, s.Config, state, state, s.Message)
	for _, row := range rows(s) {
		put("<tr><th>%s</th><td>%s</td></tr>\n", row[0], row[1])
	}
	b.WriteString("</table>\n<h2>Events</h2>\n<table>\n")
	for _, e := range slices.Backward(s.Events) {
		what := string(e.Event)
		if what == "state" {
			what = string(e.State)
		}
		put("<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", ui.Time(e.Time), what, e.Message)
	}
	b.WriteString("</table>\n<p><a href=\"status.json\">status.json</a></p>\n</body></html>\n")
	return b.String()
}

// rows are what the page tells of the server, without what is not known.
func rows(s status) (list [][2]string) {
	add := func(name, value string) {
		if value != "" {
			list = append(list, [2]string{name, value})
		}
	}
	when := func(ms int64) string {
		if ms == 0 {
			return ""
		}
		return ui.Time(ms)
	}
	pid := func(pid int) string {
		if pid == 0 {
			return ""
		}
		return fmt.Sprint(pid)
	}
	add("Since", when(s.Since))
	add("Mode", s.Mode)
	add("Address", s.Address)
	add("Engine", string(s.Engine))
	add("Process", pid(s.PID))
	add("Started", when(s.Started))
	add("Last answer", when(s.Answered))
	add("Starts", fmt.Sprint(s.Starts))
	add("Last end", s.LastEnd)
	add("Next start", when(s.Next))
	add("Configuration", s.Config)
	for _, key := range s.Changed {
		add("Changed, not read yet", key)
	}
	add("Data directory", s.DataDir)
	add("Log", s.Log)
	add("Purged by", s.Purge.By)
	add("Last purge", when(s.Purge.Last))
	add("Supervisor", pid(s.Supervisor.PID))
	add("Supervised since", when(s.Supervisor.Started))
	return list
}

// servePage shows the status at an address until it is closed. It changes nothing.
func servePage(addr string, r *reporter) (io.Closer, string, error) {
	ln, err := port.Listen(addr)
	if err != nil {
		return nil, "", fmt.Errorf("--status-listen: %w", err)
	}
	h := http.NewServeMux()
	h.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page(r.snapshot()))
	})
	h.HandleFunc("GET /status.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = ui.PrintJSON(w, r.snapshot())
	})
	h.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		s := r.snapshot()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if s.State != Serving && s.State != Running {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = fmt.Fprintln(w, s.State)
	})
	server := &http.Server{Handler: hardened(h, ln), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { _ = server.Serve(ln) }()
	return server, "http://" + ln.Addr().String() + "/", nil
}

// hardened lets nobody else's web page in, and nothing but the page's own style run in it.
func hardened(h http.Handler, ln net.Listener) http.Handler {
	guard := webguard.Guard{What: "status page", Local: webguard.OnLoopback(ln.Addr())}
	return guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	}))
}

// CheckListen returns an error unless only this machine reaches the address.
func CheckListen(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("the status page is for this machine: use 127.0.0.1, ::1 or localhost")
	}
	return nil
}
