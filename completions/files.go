package completions

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/ownfile"
)

// folder is a local folder. Reading one may take long (on a network), so it happens in the
// background too.
type folder struct {
	entries  []fs.DirEntry // sorted by name
	known    bool
	fetching bool
	due      time.Time
}

// files completes a file name.
func (c *Completer) files(typed, lead string) Result {
	return c.entries(typed, lead, func(fs.DirEntry) bool { return true })
}

// onlyFolders completes a folder name.
func (c *Completer) onlyFolders(typed, lead string) Result {
	return c.entries(typed, lead, fs.DirEntry.IsDir)
}

func (c *Completer) entries(typed, lead string, wanted func(fs.DirEntry) bool) Result {
	cut := strings.LastIndexFunc(typed, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }) + 1
	head, prefix := typed[:cut], typed[cut:]
	dir := head
	if dir == "" {
		dir = "."
	}
	if rest, ok := strings.CutPrefix(dir, "~"); ok && rest != "" && os.IsPathSeparator(rest[0]) {
		return Result{} // no command expands it
	}
	entries, pending := c.folder(dir)
	var all []Suggestion
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") && !strings.HasPrefix(prefix, ".") {
			continue
		}
		if !strings.HasPrefix(name, prefix) || !wanted(e) {
			continue
		}
		s := Suggestion{Text: head + name, Label: name, Final: true}
		if e.IsDir() {
			s.Text, s.Label, s.Help, s.Final = s.Text+string(filepath.Separator), name+string(filepath.Separator), "folder", false
		}
		all = append(all, s)
	}
	r := Among(all, typed, lead)
	r.Pending, r.Files = pending, lead == ""
	return r
}

func (c *Completer) folder(dir string) (entries []fs.DirEntry, pending bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.folders[dir]
	if f == nil {
		if len(c.folders) > 100 {
			c.folders = map[string]*folder{}
		}
		f = &folder{}
		c.folders[dir] = f
	}
	if !f.fetching && !time.Now().Before(f.due) {
		f.fetching = true
		go func() {
			defer c.cfg.Guard()
			entries, _ := os.ReadDir(dir)
			c.mu.Lock()
			same := f.known && slices.EqualFunc(f.entries, entries, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() })
			f.entries, f.known, f.fetching, f.due = entries, true, false, time.Now().Add(c.cfg.TTL)
			c.mu.Unlock()
			if !same {
				c.announce()
			}
		}()
	}
	return f.entries, f.fetching && !f.known
}

// serversKept is how many connect strings are remembered.
const serversKept = 50

func serversFile(stateDir string) string { return filepath.Join(stateDir, "servers") }

// SeenServers suggests the connect strings stored by RememberServers, latest first.
func SeenServers(stateDir string) (list []Suggestion) {
	for _, s := range seenServers(stateDir) {
		list = append(list, Suggestion{Text: s, Help: "connected before", Final: true})
	}
	return list
}

func seenServers(stateDir string) []string {
	if stateDir == "" {
		return nil
	}
	f, err := ownfile.Open(serversFile(stateDir), os.O_RDONLY)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 1<<20))
	return strings.Fields(string(text))
}

// RememberServers stores a connect string that led to a connection, in a file of mode 0600 in a
// folder of mode 0700. If that fails, only completion suffers.
func RememberServers(stateDir, servers string) {
	if stateDir == "" || servers == "" || strings.ContainsAny(servers, " \t\r\n") {
		return
	}
	all := seenServers(stateDir)
	if len(all) > 0 && all[0] == servers {
		return
	}
	all = slices.DeleteFunc(all, func(s string) bool { return s == servers })
	all = append([]string{servers}, all[:min(len(all), serversKept-1)]...)
	if ownfile.Dir(stateDir) != nil {
		return
	}
	f, err := ownfile.Open(serversFile(stateDir), os.O_CREATE|os.O_RDONLY)
	if err != nil {
		return // it is not a regular file
	}
	_ = f.Close()
	_ = atomicfile.Write(serversFile(stateDir), []byte(strings.Join(all, "\n")+"\n"))
}
