package local

import (
	"context"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/localserver"
)

// Status is a named server as seen by its process or, if that is not running, as in its state.
type Status struct {
	Name          string               `json:"name"`
	State         string               `json:"state"`            // stopped, dead, or one of localserver's conditions
	Reason        string               `json:"reason,omitempty"` // why clients are not served
	PID           int                  `json:"pid"`
	Started       time.Time            `json:"started"`
	ConnectString string               `json:"connectString"`
	TLS           string               `json:"tlsConnectString,omitempty"`
	DataDir       string               `json:"dataDir,omitempty"`
	Memory        int64                `json:"memory"` // bytes that the process has obtained from the system
	Cut           [][2]int64           `json:"cut,omitempty"`
	Members       []localserver.Status `json:"members"`
}

// Serves reports whether clients are served.
func (st *Status) Serves() bool { return st.State == localserver.ConditionServing.String() }

// Status returns the server's status, whether or not it is running.
func (s *Server) Status(ctx context.Context) (*Status, error) {
	if state := s.Condition(); state != conditionRunning {
		return &Status{Name: s.Name, State: state, PID: s.PID, Started: s.Started, ConnectString: s.ConnectString, DataDir: s.DataDir}, nil
	}
	return ask(ctx, s, statusRequest{})
}

// status is the status in the process.
func (p *process) status(ctx context.Context) *Status {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	st := &Status{
		Name: p.server.Name, PID: os.Getpid(), Started: p.server.Started,
		ConnectString: p.ensemble.ConnectString(), TLS: p.ensemble.TLSConnectString(), DataDir: p.ensemble.DataDir(),
		Memory: int64(mem.Sys - mem.HeapReleased), Cut: p.ensemble.CutLinks(), Members: p.ensemble.Status(ctx),
	}
	condition, why := p.ensemble.Condition(st.Members)
	st.State, st.Reason = condition.String(), why
	return st
}

// Entry is a server in a list.
type Entry struct {
	ConnectString string             `json:"connectString"`
	DataDir       string             `json:"dataDir"`
	Engine        localserver.Engine `json:"engine"`
	Log           string             `json:"log"`
	Members       int                `json:"members"` // some may have been added or removed since the start
	Name          string             `json:"name"`
	Observers     int                `json:"observers"` // Size and Observers are what was asked for
	PID           int                `json:"pid"`
	Size          int                `json:"size"`
	State         string             `json:"state"`
}

// listPatience is how long a server in a list may take to report its state.
const listPatience = 5 * time.Second

// List returns all servers and concurrently asks the running ones for their state. Those that
// cannot be read are in unreadable.
func (h Home) List(ctx context.Context) (list []Entry, unreadable []error) {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	var servers []*Server
	for _, name := range h.Names() {
		if s, err := h.Load(name); err != nil {
			unreadable = append(unreadable, err)
		} else {
			servers = append(servers, s)
		}
	}
	list = make([]Entry, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { list[i] = s.entry(ctx) })
	}
	wg.Wait()
	return list, unreadable
}

func (s *Server) entry(ctx context.Context) Entry {
	e := Entry{
		ConnectString: s.ConnectString, DataDir: s.DataDir, Engine: s.Spec.Engine, Log: s.LogFile(),
		Name: s.Name, Observers: s.Spec.Observers, PID: s.PID, Size: max(1, s.Spec.Size), State: localserver.ConditionSilent.String(),
	}
	if s.ConnectString != "" {
		e.Members = strings.Count(s.ConnectString, ",") + 1
	}
	if st, err := s.Status(ctx); err == nil {
		e.State = st.State
	}
	return e
}
