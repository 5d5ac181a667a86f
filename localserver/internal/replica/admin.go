package replica

import (
	"bufio"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/webguard"
	"github.com/zkctl/zkctl/internal/ztree"
)

// AdminOptions configure the AdminServer. The zero value of a field means ZooKeeper's default.
type AdminOptions struct {
	Host          string            // admin.serverAddress; always accepted as a Host header
	CommandURL    string            // admin.commandURL; /commands
	IdleTimeout   time.Duration     // admin.idleTimeout, for each read and write too; 30 s
	InitialConfig string            // the text of zoo.cfg, for initial_configuration
	Properties    map[string]string // for system_properties: the values given, by name

	// For 3.9's snapshot and restore.
	RateInterval time.Duration // admin.rateLimiterIntervalInMS; 5 min
	NoSnapshot   bool          // admin.snapshot.enabled=false
	NoRestore    bool          // admin.restore.enabled=false

	// Restore replaces the server's data with Replica.Replace; it must keep the journal closed
	// meanwhile. If nil, the command is disabled.
	Restore func(t *ztree.Tree) error
}

// admin is an AdminServer.
type admin struct {
	web
	opt      AdminOptions
	snapshot limiter
	restore  limiter
}

// ServeAdmin answers HTTP requests for the AdminServer's commands on ln (JettyAdminServer) until
// the member is closed. Anyone who can connect may run any command except snapshot and restore,
// which require an Authorization with all permissions on the root znode, so ln should be on
// loopback.
func (s *Replica) ServeAdmin(ln net.Listener, opt AdminOptions) error {
	def(&opt.CommandURL, "/commands")
	def(&opt.IdleTimeout, 30*time.Second)
	def(&opt.RateInterval, 5*time.Minute)
	a := &admin{web: web{s: s, guard: webguard.Guard{What: "AdminServer", Name: opt.Host}}, opt: opt}
	// 3.9 treats the interval as microseconds here.
	a.snapshot.interval, a.restore.interval = opt.RateInterval/1000, opt.RateInterval
	if err := a.serve(ln, opt.IdleTimeout, a.handle); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	s.log.Infof("Started AdminServer on address %s, port %s and command URL %s", host, port, opt.CommandURL)
	return nil
}

// handle answers a request.
func (a *admin) handle(w http.ResponseWriter, r *http.Request) {
	command, ok := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(a.opt.CommandURL, "/"))
	if !ok || command != "" && command[0] != '/' {
		http.NotFound(w, r)
		return
	}
	command = strings.TrimPrefix(command, "/")
	post := a.is(restoreNames, command)
	allow := "GET, HEAD, OPTIONS"
	if post {
		allow = "POST, OPTIONS"
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		if post == (r.Method == http.MethodPost) {
			a.answer(w, r, command)
			return
		}
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		return
	case http.MethodTrace:
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	w.Header().Set("Allow", allow)
	http.Error(w, "HTTP method "+r.Method+" is not supported by this URL", http.StatusMethodNotAllowed)
}

func (a *admin) answer(w http.ResponseWriter, r *http.Request, command string) {
	if command == "" {
		a.list(w)
		return
	}
	// As in the servlet, the first of several values of an argument wins.
	args, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	if a.is(snapshotNames, command) {
		a.takeSnapshot(w, r, command, args)
		return
	}
	if a.is(restoreNames, command) {
		a.takeRestore(w, r, command)
		return
	}
	for i := range adminCommands {
		c := &adminCommands[i]
		if !slices.Contains(c.names, command) {
			continue
		}
		if !c.idle && !a.s.serving() {
			a.fail(w, http.StatusOK, command, fourletter.NotServing)
			return
		}
		if !slices.ContainsFunc(c.names, lists) {
			a.write(w, http.StatusOK, c.names[0], c.run(a, args))
		} else if !a.s.listing(wordPatience, func() {
			until := time.Now().Add(listingTime)
			a.write(&hurriedResponse{w, until}, http.StatusOK, c.names[0], c.run(a, args))
		}) {
			a.fail(w, http.StatusServiceUnavailable, command, tooMany)
		}
		return
	}
	a.fail(w, http.StatusOK, command, "Unknown command: "+command)
}

// is reports whether the command is one of names and this release has it.
func (a *admin) is(names []string, command string) bool {
	return slices.Contains(names, command) && a.s.emulated().AdminSnapshots()
}

// list is the page with a link to each command.
func (a *admin) list(w http.ResponseWriter) {
	var names []string
	if a.s.emulated().AdminSnapshots() {
		names = append(names, snapshotNames[0], restoreNames[0])
	}
	for _, c := range adminCommands {
		names = append(names, c.names[0])
	}
	slices.Sort(names)
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	out := a.patient(w)
	for _, name := range names {
		out.WriteString(`<a href="` + html.EscapeString(a.opt.CommandURL+"/"+name) + `">` + name + "</a>\n<br/>\n")
	}
	_ = out.Flush()
}

// fail answers with an error.
func (a *admin) fail(w http.ResponseWriter, status int, command, err string) {
	a.send(w, status, fields{{"command", command}, {"error", err}})
}

// write answers in JSON. Every answer has a command and an error; an actual error comes first.
func (a *admin) write(w http.ResponseWriter, status int, command string, f fields) {
	failed := slices.ContainsFunc(f, func(one field) bool { return one.name == "error" })
	f = append(f, field{"command", command})
	if !failed {
		f = append(f, field{"error", nil})
	}
	a.send(w, status, f)
}

func (a *admin) send(w http.ResponseWriter, status int, f fields) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := a.patient(w)
	j := jsonWriter{w: out}
	j.value(f)
	if err := out.Flush(); err != nil {
		a.s.log.Infof("An answer of the AdminServer could not be sent: %v", err)
	}
}

// patient returns a writer that gives the client IdleTimeout for each piece.
func (a *admin) patient(w http.ResponseWriter) *bufio.Writer {
	p := &patientResponse{Writer: w, patience: a.opt.IdleTimeout}
	if h, ok := w.(*hurriedResponse); ok {
		w, p.until = h.ResponseWriter, h.until
	}
	p.control = http.NewResponseController(w)
	return bufio.NewWriterSize(p, 32<<10)
}

type patientResponse struct {
	io.Writer
	control  *http.ResponseController
	patience time.Duration
	until    time.Time // for the whole, unless it is zero
}

// hurriedResponse is a response that the client must have received by a deadline.
type hurriedResponse struct {
	http.ResponseWriter
	until time.Time
}

func (w *patientResponse) Write(p []byte) (int, error) {
	if err := w.control.SetWriteDeadline(patientUntil(w.patience, w.until)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return w.Writer.Write(p)
}

// authorized reports whether the request's Authorization, "scheme" or "scheme data", has every
// permission on the root znode. Otherwise it answers (3.9's Commands.runCommand).
func (a *admin) authorized(w http.ResponseWriter, r *http.Request, command string) bool {
	if !a.s.serving() {
		a.fail(w, http.StatusOK, command, fourletter.NotServing)
		return false
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		a.fail(w, http.StatusUnauthorized, command, "Auth info is missing for the command")
		return false
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	scheme, text, found := strings.Cut(header, " ")
	var data []byte
	if found {
		data = []byte(text)
	}
	ids, ok := a.s.auth.authenticate(nil, scheme, data, plainIP(host), "")
	if !ok || strings.Contains(text, " ") {
		a.fail(w, http.StatusUnauthorized, command, "Not authenticated")
		return false
	}
	denied := proto.ErrNoAuth
	a.s.do(func() {
		root := a.s.tree.Get("/")
		if root == nil {
			return
		}
		denied = 0
		for perm := proto.Perms(1); perm <= proto.PermAll && denied == 0; perm <<= 1 {
			denied = a.s.auth.checkACL(a.s.tree.ACLList(root.ACL), perm, ids)
		}
	})
	if denied != 0 {
		a.fail(w, http.StatusForbidden, command, "Not authorized")
		return false
	}
	return true
}

// limiter lets one request through in an interval (3.9's RateLimiter).
type limiter struct {
	interval time.Duration

	mu    sync.Mutex
	since time.Time // of the interval
	taken bool
}

func (l *limiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.since.IsZero() || now.Sub(l.since) > l.interval {
		l.since, l.taken = now, false
	}
	allowed := !l.taken
	l.taken = true
	return allowed
}
