package supervise

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// State is what the server is doing.
type State string

// The states of a server.
const (
	Down       State = "down"        // it does not run
	Starting   State = "starting"    // it has not answered yet
	Serving    State = "serving"     // clients can work
	NotServing State = "not serving" // it runs, and clients cannot work
	Running    State = "running"     // it runs, and does not tell whether clients can work
	Stopping   State = "stopping"    // it has been asked to end
)

// event is something that the supervisor tells: a line of its output.
type event struct {
	Time    int64  `json:"time"`  // ms since 1970
	Event   string `json:"event"` // state, config, log, page or purge
	State   State  `json:"state"`
	Message string `json:"message"`
	PID     int    `json:"pid,omitempty"` // of the server
}

// status is what the status page shows.
type status struct {
	State    State  `json:"state"`
	Since    int64  `json:"since"` // ms since 1970, as all times here
	Message  string `json:"message"`
	Mode     string `json:"mode,omitempty"` // standalone, leader, follower, observer, read-only
	Engine   Engine `json:"engine"`
	PID      int    `json:"pid,omitempty"` // of the server
	Started  int64  `json:"started,omitempty"`
	Answered int64  `json:"answered,omitempty"` // when the server last answered
	Starts   int    `json:"starts"`             // of the server by this supervisor
	LastEnd  string `json:"lastEnd,omitempty"`  // how its previous life ended
	Next     int64  `json:"nextStart,omitempty"`

	Config  string   `json:"config"`
	Changed []string `json:"changed,omitempty"` // the keys of Config that the server has not read yet
	DataDir string   `json:"dataDir"`
	Log     string   `json:"log,omitempty"`
	Address string   `json:"address,omitempty"` // where the server is asked

	Purge struct {
		By      string `json:"by"`             // server, supervisor or nobody
		Last    int64  `json:"last,omitempty"` // by the supervisor
		Removed int    `json:"removed"`        // files, since the supervisor started
	} `json:"purge"`

	Supervisor struct {
		PID     int   `json:"pid"`
		Started int64 `json:"started"`
	} `json:"supervisor"`

	Events []event `json:"events"` // the latest, newest last
}

// maxEvents is how many events the page shows.
const maxEvents = 50

// reporter tells events as lines, and keeps the status for the page. Only the supervisor's loop changes it.
type reporter struct {
	out  *lineWriter
	json bool
	// notify, if not nil, hears of the state.
	notify func(s *status)

	mu     sync.Mutex // held while status is read by others, and by the loop while it changes it
	status status
}

func (r *reporter) update(change func(s *status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

func (r *reporter) snapshot() status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Events, s.Changed = slices.Clone(s.Events), slices.Clone(s.Changed)
	return s
}

// state enters a state, or stays in it for another reason.
func (r *reporter) state(state State, mode, format string, a ...any) {
	message := fmt.Sprintf(format, a...)
	if r.status.State == state && r.status.Message == message && r.status.Mode == mode {
		return
	}
	r.update(func(s *status) {
		if s.State != state {
			s.Since = time.Now().UnixMilli()
		}
		s.State, s.Mode, s.Message = state, mode, message
	})
	if r.notify != nil {
		r.notify(&r.status)
	}
	r.tell("state", message)
}

// note tells something else than a state.
func (r *reporter) note(kind, format string, a ...any) { r.tell(kind, fmt.Sprintf(format, a...)) }

func (r *reporter) tell(kind, message string) {
	e := event{Time: time.Now().UnixMilli(), Event: kind, State: r.status.State, Message: message, PID: r.status.PID}
	r.update(func(s *status) {
		if s.Events = append(s.Events, e); len(s.Events) > maxEvents {
			s.Events = s.Events[1:]
		}
	})
	_, _ = r.out.Write(e.line(r.json))
}

func (e *event) line(asJSON bool) []byte {
	if asJSON {
		line, _ := escape.MarshalJSON(e) // text and numbers always encode
		return append(line, '\n')
	}
	what := e.Event
	if what == "state" {
		what = string(e.State)
	}
	return fmt.Appendf(nil, "%s %s: %s\n", ui.Time(e.Time), what, escape.Line(e.Message))
}

// brief is a duration without the zeros at its end, to the millisecond: 24h, 1.667s.
func brief(d time.Duration) string {
	if d > time.Millisecond {
		d = d.Round(time.Millisecond)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func newReporter(opt *Options) *reporter {
	r := &reporter{out: newLineWriter(opt.Streams.Out), json: opt.JSON}
	r.status.Config, r.status.Engine, r.status.Log, r.status.State = opt.Config, opt.Engine, opt.LogFile, Down
	r.status.Supervisor.PID, r.status.Supervisor.Started = os.Getpid(), time.Now().UnixMilli()
	return r
}
