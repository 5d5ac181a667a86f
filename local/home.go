package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/lazyre"
	"github.com/zkctl/zkctl/localserver"
)

// Home is the path of the folder with the named servers, each in its own folder.
type Home string

// DefaultName is the name of the server if none is given.
const DefaultName = "default"

// stateFile is in the folder of each named server.
const stateFile = "server.json"

// ErrNoServer is wrapped by the error for an unknown name.
var ErrNoServer = errors.New("no local server")

// namePattern has no limit of repetitions, which takes long to compile.
var namePattern = lazyre.New(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func isName(text string) bool { return len(text) <= 63 && namePattern().MatchString(text) }

func checkName(name string) error {
	if !isName(name) {
		return fmt.Errorf("invalid name %q for a local server; use up to 63 letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

func (h Home) dir(name string) string { return filepath.Join(string(h), name) }

func (h Home) has(name string) bool {
	_, err := os.Stat(filepath.Join(h.dir(name), stateFile))
	return err == nil
}

// Names returns the names of the servers, sorted.
func (h Home) Names() (names []string) {
	entries, err := os.ReadDir(string(h))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && isName(e.Name()) && h.has(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// Running returns the names of the servers whose process is running, sorted.
func (h Home) Running() (names []string) {
	for _, name := range h.Names() {
		if s, err := h.Load(name); err == nil && s.Running() {
			names = append(names, name)
		}
	}
	return names
}

// Load reads the state of a named server.
func (h Home) Load(name string) (*Server, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	s := &Server{dir: h.dir(name)}
	text, err := infile.Regular(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, h.noServer(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of the local server %s: %w", name, err)
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read the state of the local server %s: %s: %w (to remove it: zkctl local rm --force %s)", name, s.file(), err, name)
	}
	s.Name = name
	return s, nil
}

func (h Home) noServer(name string) error {
	names := h.Names()
	if len(names) == 0 {
		return fmt.Errorf("%w named %q; none exist yet (create it: zkctl local start %s)", ErrNoServer, name, name)
	}
	return fmt.Errorf("%w named %q; existing: %s", ErrNoServer, name, strings.Join(names, ", "))
}

// Choose returns the server named by the first of words. Without words it is the one called
// default, or the only one.
func (h Home) Choose(words []string) (*Server, error) {
	if len(words) > 0 {
		return h.Load(words[0])
	}
	names := h.Names()
	switch {
	case slices.Contains(names, DefaultName):
		return h.Load(DefaultName)
	case len(names) == 1:
		return h.Load(names[0])
	case len(names) == 0:
		return nil, errors.New("no local servers exist yet; create one with: zkctl local start")
	}
	return nil, fmt.Errorf("which local server? Name one of: %s", strings.Join(names, ", "))
}

// Resolve replaces the name of a server, which may be followed by a chroot (dev/app), by its
// connect string. If the server has TLS and plain is false, that is the one for TLS, and files are what
// clients need for it. It returns any other text unchanged.
func (h Home) Resolve(text string, plain bool) (servers string, files *localserver.TLSFiles, err error) {
	name, chroot, _ := strings.Cut(text, "/")
	if !isName(name) || !h.has(name) {
		return text, nil, nil
	}
	s, err := h.Load(name)
	if err != nil {
		return "", nil, err
	}
	if !s.Running() {
		return "", nil, fmt.Errorf("the local server %s is not running (start it: zkctl local start %s)", name, name)
	}
	if s.ConnectString == "" {
		return "", nil, fmt.Errorf("no members of %s are left here: all have moved elsewhere (to remove it: zkctl local rm --force %s)", name, name)
	}
	servers = s.ConnectString
	if s.TLS != nil && !plain {
		servers, files = s.TLS.ConnectString, &s.TLS.Files
	}
	if strings.Contains(text, "/") {
		servers += "/" + chroot
	}
	return servers, files, nil
}

// Addresses returns the connect string of all addresses that a server has or last had, or text if it names no server.
func (h Home) Addresses(text string) string {
	name, _, _ := strings.Cut(text, "/")
	if !isName(name) || !h.has(name) {
		return text
	}
	s, err := h.Load(name)
	switch {
	case err != nil:
		return text
	case s.TLS == nil:
		return s.ConnectString
	}
	return s.ConnectString + "," + s.TLS.ConnectString
}

// Remove deletes a server's state and logs, and its data unless its Spec says where to keep that;
// kept is then that folder. With force it stops a running server first, and ignores an unreadable
// state.
func (h Home) Remove(ctx context.Context, name string, force bool) (kept string, err error) {
	s, err := h.Load(name)
	if err != nil && force && checkName(name) == nil && !errors.Is(err, ErrNoServer) {
		s, err = &Server{Name: name, dir: h.dir(name)}, nil
	}
	if err != nil {
		return "", err
	}
	if s.Running() {
		if !force {
			return "", fmt.Errorf("the local server %s is running; stop it first, or use --force", name)
		}
		if err := s.end(ctx); err != nil {
			return "", err
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return "", fmt.Errorf("remove the local server %s: %w", name, err)
	}
	return s.Spec.DataDir, nil
}
