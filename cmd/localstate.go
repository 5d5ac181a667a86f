package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/localserver"
)

// localSpec is what a named server was asked to be.
type localSpec struct {
	Size          int                `json:"size"`
	Observers     int                `json:"observers,omitempty"`
	Apache        int                `json:"apache,omitempty"`
	Engine        localserver.Engine `json:"engine"`
	ZooKeeperHome string             `json:"zookeeperHome,omitempty"`
	Emulate       string             `json:"emulate,omitempty"`
	DataDir       string             `json:"dataDir,omitempty"` // the user's; "" for one in the state folder
	Ephemeral     bool               `json:"ephemeral,omitempty"`
	Host          string             `json:"host,omitempty"`
	Port          int                `json:"port,omitempty"`
	Config        string             `json:"config,omitempty"`
	Properties    map[string]string  `json:"properties,omitempty"`
	System        map[string]string  `json:"system,omitempty"`
}

func (s *localSpec) options() localserver.Options {
	return localserver.Options{
		Size: s.Size, Observers: s.Observers, Apache: s.Apache, Engine: s.Engine, ZooKeeperHome: s.ZooKeeperHome, Emulate: s.Emulate,
		DataDir: s.DataDir, Ephemeral: s.Ephemeral, Host: s.Host, Port: s.Port, Config: s.Config,
		Properties: s.Properties, System: s.System,
	}
}

// localState is what is known of a named server: server.json in its folder.
type localState struct {
	Name    string    `json:"name"`
	Spec    localSpec `json:"spec"`
	PID     int       `json:"pid,omitempty"` // of the process in the background; 0 once it was stopped
	Started time.Time `json:"started"`

	ConnectString string `json:"connectString,omitempty"`
	DataDir       string `json:"dataDir,omitempty"` // what it uses
	Port          int    `json:"port,omitempty"`    // of the first member, to come back on

	Control controlAddr `json:"control"`

	dir  string
	temp *tempdir.Dir // of the process in the background: where its socket is, if not in dir
}

// controlAddr is how to reach the process in the background.
type controlAddr struct {
	Network string `json:"network"` // unix or tcp
	Address string `json:"address"`
	Token   string `json:"token"`
}

// defaultLocalName is the server that is meant when none is named.
const defaultLocalName = "default"

var localNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func checkLocalName(name string) error {
	if !localNamePattern.MatchString(name) {
		return fmt.Errorf("%q is no name for a local server: letters, digits, dot, dash and underscore make one, up to 63 of them", name)
	}
	return nil
}

func localRoot() string                  { return filepath.Join(stateDir(), "local") }
func localDir(name string) string        { return filepath.Join(localRoot(), name) }
func (s *localState) file() string       { return filepath.Join(s.dir, "server.json") }
func (s *localState) lockFile() string   { return filepath.Join(s.dir, "lock") }
func (s *localState) logFile() string    { return filepath.Join(s.dir, "server.log") }
func (s *localState) socketFile() string { return filepath.Join(s.dir, "control.sock") }

var errNoLocal = errors.New("there is no such local server")

// loadLocal reads the state of a named server.
func loadLocal(name string) (*localState, error) {
	if err := checkLocalName(name); err != nil {
		return nil, err
	}
	s := &localState{dir: localDir(name)}
	text, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noLocal(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of the local server %s: %w", name, err)
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read the state of the local server %s: %s: %w (zkctl local rm --force %s forgets it)", name, s.file(), err, name)
	}
	s.Name = name
	return s, nil
}

func noLocal(name string) error {
	names := localNames()
	if len(names) == 0 {
		return fmt.Errorf("%w: %s; there is none at all (zkctl local start %s makes it)", errNoLocal, name, name)
	}
	return fmt.Errorf("%w: %s (there is: %s)", errNoLocal, name, strings.Join(names, ", "))
}

// save writes server.json as a whole or not at all.
func (s *localState) save() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("keep the state of the local server %s: %w", s.Name, err)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.file(), append(text, '\n')); err != nil {
		return fmt.Errorf("keep the state of the local server %s: %w", s.Name, err)
	}
	return nil
}

// running tells whether the process in the background lives: it holds the lock. A process id
// would not do, because another process may have it by now.
func (s *localState) running() bool { return filelock.Held(s.lockFile()) }

// condition is running, stopped, or dead for one that ended without being told to.
func (s *localState) condition() string {
	switch {
	case s.running():
		return "running"
	case s.PID != 0:
		return "dead"
	}
	return "stopped"
}

// localNames are the named servers, in order.
func localNames() (names []string) {
	entries, err := os.ReadDir(localRoot())
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && localNamePattern.MatchString(e.Name()) {
			if _, err := os.Stat(filepath.Join(localDir(e.Name()), "server.json")); err == nil {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	return names
}

// chooseLocal is the server that words name first; without a word it is the one called
// default, or the only one.
func chooseLocal(words []string) (*localState, error) {
	if len(words) > 0 {
		return loadLocal(words[0])
	}
	names := localNames()
	switch {
	case slices.Contains(names, defaultLocalName):
		return loadLocal(defaultLocalName)
	case len(names) == 1:
		return loadLocal(names[0])
	case len(names) == 0:
		return nil, errors.New("there is no local server; zkctl local start makes one")
	}
	return nil, fmt.Errorf("which local server? There are %s", strings.Join(names, ", "))
}

// resolveLocal replaces the name of a local server, to which a chroot may be attached, by its
// connect string. What is no such name stays as it is.
func resolveLocal(server string) (string, error) {
	name, chroot, _ := strings.Cut(server, "/")
	if !localNamePattern.MatchString(name) {
		return server, nil
	}
	if _, err := os.Stat(filepath.Join(localDir(name), "server.json")); err != nil {
		return server, nil
	}
	s, err := loadLocal(name)
	if err != nil {
		return "", err
	}
	if !s.running() {
		return "", fmt.Errorf("the local server %s does not run (zkctl local start %s)", name, name)
	}
	if s.ConnectString == "" {
		return "", fmt.Errorf("no member of %s is left here: all have moved elsewhere (zkctl local rm --force %s forgets it)", name, name)
	}
	if strings.Contains(server, "/") {
		return s.ConnectString + "/" + chroot, nil
	}
	return s.ConnectString, nil
}
