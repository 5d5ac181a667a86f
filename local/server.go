package local

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/localserver"
)

// Spec is what was asked for; localserver.Options describes the fields.
type Spec struct {
	Size          int                `json:"size"`
	Observers     int                `json:"observers,omitempty"`
	Apache        int                `json:"apache,omitempty"`
	Engine        localserver.Engine `json:"engine"`
	ZooKeeperHome string             `json:"zookeeperHome,omitempty"`
	Emulate       string             `json:"emulate,omitempty"`
	DataDir       string             `json:"dataDir,omitempty"` // given by the user; "" means in the state folder
	Ephemeral     bool               `json:"ephemeral,omitempty"`
	Host          string             `json:"host,omitempty"`
	Port          int                `json:"port,omitempty"`
	Config        string             `json:"config,omitempty"`
	Properties    map[string]string  `json:"properties,omitempty"`
	System        map[string]string  `json:"system,omitempty"`
	SASLUsers     map[string]string  `json:"saslUsers,omitempty"`
	QuorumSASL    bool               `json:"quorumSasl,omitempty"`
	TLS           bool               `json:"tls,omitempty"` // for clients and, in an ensemble, between members
}

// Options returns the options for localserver.Start.
func (s *Spec) Options() localserver.Options {
	return localserver.Options{
		Size: s.Size, Observers: s.Observers, Apache: s.Apache, Engine: s.Engine, ZooKeeperHome: s.ZooKeeperHome, Emulate: s.Emulate,
		DataDir: s.DataDir, Ephemeral: s.Ephemeral, Host: s.Host, Port: s.Port, Config: s.Config,
		Properties: s.Properties, System: s.System, SASLUsers: s.SASLUsers, QuorumSASL: s.QuorumSASL,
		TLS: s.TLS, QuorumTLS: s.TLS && s.Size > 1,
	}
}

// Server is the state of a named server, as in server.json in its folder.
type Server struct {
	Name    string    `json:"name"`
	Spec    Spec      `json:"spec"`
	PID     int       `json:"pid,omitempty"` // of the background process; 0 once stopped
	Started time.Time `json:"started"`

	ConnectString string `json:"connectString,omitempty"`
	DataDir       string `json:"dataDir,omitempty"` // in use
	TLS           *TLS   `json:"tls,omitempty"`     // how to connect with TLS, if Spec.TLS is set
	Port          int    `json:"port,omitempty"`    // of the first member, to reuse

	Control controlAddr `json:"control"`

	dir  string
	temp *tempdir.Dir // of the background process: where its socket is, if not in dir
}

// TLS is where a server's clients connect with TLS, and the files that they need.
type TLS struct {
	ConnectString string               `json:"connectString"`
	Port          int                  `json:"port"` // of the first member, to reuse
	Files         localserver.TLSFiles `json:"files"`
}

func newTLS(e *localserver.Ensemble) *TLS {
	if e.TLSConnectString() == "" {
		return nil
	}
	t := &TLS{ConnectString: e.TLSConnectString(), Files: e.TLSFiles()}
	if _, port, err := net.SplitHostPort(e.Members()[0].TLSAddr()); err == nil {
		t.Port, _ = strconv.Atoi(port)
	}
	return t
}

func (s *Server) file() string       { return filepath.Join(s.dir, stateFile) }
func (s *Server) lockFile() string   { return filepath.Join(s.dir, "lock") }
func (s *Server) socketFile() string { return filepath.Join(s.dir, "control.sock") }

// LogFile returns the path of the server's log.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "server.log") }

// save writes server.json completely or not at all.
func (s *Server) save() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("save the state of the local server %s: %w", s.Name, err)
	}
	text, err := escape.MarshalJSONFile(s)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.file(), text); err != nil {
		return fmt.Errorf("save the state of the local server %s: %w", s.Name, err)
	}
	return nil
}

// Running reports whether the background process is alive: it holds the lock. Its process id
// proves nothing, because another process may have it by now.
func (s *Server) Running() bool { return filelock.Held(s.lockFile()) }

// The results of Condition.
const (
	conditionRunning = "running"
	conditionStopped = "stopped"
	conditionDead    = "dead" // its process ended unexpectedly
)

// Condition returns running, stopped, or dead if the process ended unexpectedly.
func (s *Server) Condition() string {
	switch {
	case s.Running():
		return conditionRunning
	case s.PID != 0:
		return conditionDead
	}
	return conditionStopped
}
