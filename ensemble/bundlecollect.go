package ensemble

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/version"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// memberFolder is where a member's answers are.
func memberFolder(r *probe.Reading, i int) string {
	if id, ok := r.ID.Get(); ok {
		return "members/" + strconv.FormatInt(id, 10) + "/"
	}
	return fmt.Sprintf("members/unknown-%d/", i+1)
}

// doors is how many times --timeout one member's answers may take altogether.
const bundlePatience = 5

// bundleCommands are the AdminServer's read-only commands with short answers.
var bundleCommands = []string{"configuration", "connections", "dirs", "environment", "hash", "initial_configuration", "is_read_only",
	"last_snapshot", "leader", "monitor", "observers", "server_stats", "stats", "system_properties", "voting_view",
	"watch_summary", "zabstate"}

// member adds what a member says at each of its doors.
func (b *bundle) member(ctx context.Context, opt *bundleOptions, p *probe.Prober, r *probe.Reading, folder string) {
	if r.State == probe.Down || r.State == probe.Failed || r.State == probe.Silent {
		b.lack(folder, r.Name(), fmt.Errorf("%s: %w", r.State, cmp.Or(r.Error, errors.New("unknown reason"))))
		if r.State == probe.Down || len(r.Addresses) == 0 {
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, bundlePatience*opt.timeout)
	defer cancel()
	for i := range answer.Words {
		w := &answer.Words[i]
		if w.Changes {
			continue
		}
		name := folder + "4lw/" + w.Name + ".txt"
		if err := affordable(w, r); err != nil {
			b.lack(name, r.Name(), err)
			continue
		}
		within, cancel := context.WithTimeout(ctx, opt.timeout)
		text, err := p.Word(within, &r.Member, w.Name)
		cancel()
		if err != nil {
			b.lack(name, r.Name(), probe.Reason(err))
			continue
		}
		b.addText(name, r.Name(), text)
	}
	b.adminServer(ctx, opt, p, r, folder+"admin/")
}

// mostListed is up to how many watches or ephemeral znodes are listed.
const mostListed = 10_000

// affordable is nil unless a word might burden the member.
func affordable(w *answer.Word, r *probe.Reading) error {
	if !w.Heavy {
		return nil
	}
	number, what := r.Watches, "watches"
	if w.Name == "dump" {
		number, what = r.Ephemerals, "ephemeral znodes"
	}
	switch n, known := number.Get(); {
	case !known:
		return fmt.Errorf("the member does not tell how many %s it would list", what)
	case n > mostListed:
		return fmt.Errorf("it would list %d %s", n, what)
	}
	return nil
}

// adminServer adds what the member's AdminServer says, and how far the member's clock is from this one.
func (b *bundle) adminServer(ctx context.Context, opt *bundleOptions, p *probe.Prober, r *probe.Reading, folder string) {
	for i, command := range bundleCommands {
		within, cancel := context.WithTimeout(ctx, opt.timeout)
		asked := time.Now()
		reply, err := p.RawAdmin(within, &r.Member, probe.Request{Command: command})
		cancel()
		name := folder + command + ".json"
		switch {
		case err != nil && i == 0: // the port is closed
			b.lack(folder, r.Name(), probe.Reason(err))
			return
		case err != nil:
			b.lack(name, r.Name(), probe.Reason(err))
			continue
		case reply.Stream != nil:
			_ = reply.Stream.Close()
			b.lack(name, r.Name(), probe.ErrForeign)
			continue
		}
		o, err := answer.ParseAdmin(reply.Body)
		if i == 0 {
			if err := belongs(o, err, r); err != nil {
				b.lack(folder, r.Name(), err)
				return
			}
			b.clock(r, reply.Header, asked, time.Now())
		}
		if err != nil {
			b.lack(name, r.Name(), err)
			continue
		}
		b.addText(name, r.Name(), reply.Body)
	}
}

// belongs is nil unless an AdminServer is that of another member of the host, or none.
func belongs(o answer.Object, err error, r *probe.Reading) error {
	if errors.Is(err, answer.ErrNotUnderstood) {
		return probe.ErrForeign
	}
	n, known := o.ClientPort().Get()
	if !known || n <= 0 {
		return nil
	}
	for _, a := range r.Addresses {
		if int64(a.Port) == n {
			return nil
		}
	}
	return fmt.Errorf("the AdminServer at port %d is that of the member with client port %d", r.AdminPort, n)
}

// clockOffset is how far a member's clock is ahead of this one's.
type clockOffset struct {
	ID      answer.Opt[int64] `json:"id"`
	Address string            `json:"address"`
	Offset  int64             `json:"offset"` // ms
	Within  int64             `json:"within"` // ms; HTTP dates are in whole seconds
}

func (b *bundle) clock(r *probe.Reading, h http.Header, asked, answered time.Time) {
	at, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	const half = 500 * time.Millisecond // of the second that it was cut to
	took := answered.Sub(asked)
	offset := at.Add(half).Sub(asked.Add(took / 2))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clocks = append(b.clocks, clockOffset{r.ID, r.Name(), offset.Milliseconds(), (half + took/2).Milliseconds()})
}

// client adds what this zkctl is and how it asked. Identities are not part of it.
func (b *bundle) client(opt *bundleOptions, p *probe.Prober) {
	schemes := []string{}
	for _, a := range p.Client.Auth {
		schemes = append(schemes, a.Scheme)
	}
	zone, seconds := b.began.Zone()
	b.json("client.json", struct {
		Version        string   `json:"version"`
		System         string   `json:"system"`
		Time           int64    `json:"time"`
		Zone           string   `json:"zone"`
		ZoneOffset     int      `json:"zoneOffset"` // s
		Host           string   `json:"host"`
		Servers        string   `json:"servers"`
		Members        string   `json:"members,omitempty"`
		AdminPorts     []int    `json:"adminPorts"`
		Timeout        int64    `json:"timeout"`        // ms
		SessionTimeout int64    `json:"sessionTimeout"` // ms
		TLS            bool     `json:"tls"`
		AuthSchemes    []string `json:"authSchemes"`
	}{version.String(), runtime.GOOS + "/" + runtime.GOARCH, b.began.UnixMilli(), zone, seconds, hostname(), p.Client.Servers, opt.members,
		p.AdminPorts, opt.timeout.Milliseconds(), p.Client.SessionTimeout.Milliseconds(), p.Client.TLS != nil, schemes})
}

// files adds what the options name.
func (b *bundle) files(ctx context.Context, opt *bundleOptions) {
	if opt.config != "" {
		text := b.settings(ctx, "config/zoo.cfg", opt.config)
		if c, _, _ := zoocfg.LoadText(opt.config, text, nil); c != nil && c.DynamicFile != "" {
			b.settings(ctx, "config/zoo.cfg.dynamic", c.DynamicFile)
		}
	}
	for i, dir := range opt.dirs {
		b.dataDir(ctx, fmt.Sprintf("dir-%d", i+1), dir)
	}
	var logs []string
	for _, place := range opt.logs {
		logs = append(logs, b.logsAt(place)...)
	}
	for i, file := range logs {
		b.tail(ctx, fmt.Sprintf("logs/%d.log", i+1), file)
	}
}

// settings adds a file, and returns its text, nil if it cannot be read.
func (b *bundle) settings(ctx context.Context, name, file string) []byte {
	text, err := infile.File(ctx, file, infile.MostSettings)
	if err != nil {
		b.lack(name, file, err)
		return nil
	}
	b.addText(name, file, text)
	return text
}

// dataFile is a file of a data directory.
type dataFile struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`
	Mode     string `json:"mode"`
	Text     string `json:"text,omitempty"` // of myid and the epochs
}

// mostDataFiles bounds how many files of a data directory are listed.
const mostDataFiles = 10_000

// dataDir lists the files of a data directory. Of their contents it has only the numbers that a member keeps in myid,
// currentEpoch and acceptedEpoch.
func (b *bundle) dataDir(ctx context.Context, name, dir string) {
	list := []dataFile{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == dir:
			return err
		case err != nil:
			b.lack(name, path, err)
			return nil
		case len(list) == mostDataFiles:
			b.lack(name, dir, fmt.Errorf("it has more than %d files", mostDataFiles))
			return fs.SkipAll
		case e.IsDir() && strings.Count(strings.TrimPrefix(path, dir), string(filepath.Separator)) > 2:
			return fs.SkipDir
		}
		info, err := e.Info()
		if err != nil {
			return nil // it was removed
		}
		rel, _ := filepath.Rel(dir, path)
		f := dataFile{filepath.ToSlash(rel), info.Size(), info.ModTime().UnixMilli(), info.Mode().String(), ""}
		switch e.Name() {
		case "myid", "currentEpoch", "acceptedEpoch":
			if info.Mode().IsRegular() && info.Size() < 100 {
				if text, err := os.ReadFile(path); err == nil {
					f.Text = strings.TrimSpace(string(text))
				}
			}
		}
		list = append(list, f)
		return nil
	})
	if err != nil {
		b.lack(name, dir, err)
		return
	}
	b.json(name+".json", struct {
		Dir   string     `json:"dir"`
		Files []dataFile `json:"files"`
	}{dir, list})
}

// mostLogs is how many log files of a folder are taken, the latest.
const mostLogs = 10

// logsAt returns the file, or the latest logs in the folder.
func (b *bundle) logsAt(place string) []string {
	info, err := os.Stat(place)
	if err != nil || !info.IsDir() {
		return []string{place} // reading it says what is wrong
	}
	entries, err := os.ReadDir(place)
	if err != nil {
		b.lack("logs", place, err)
		return nil
	}
	type log struct {
		path string
		at   time.Time
	}
	var found []log
	for _, e := range entries {
		name := e.Name()
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.Size() > 0 && !strings.HasSuffix(name, ".gz") &&
			(strings.Contains(name, ".log") || strings.Contains(name, ".out") || strings.Contains(name, "zookeeper")) {
			found = append(found, log{filepath.Join(place, name), info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b log) int { return b.at.Compare(a.at) })
	if len(found) == 0 {
		b.lack("logs", place, errors.New("no logs there: no file's name contains .log, .out or zookeeper"))
	}
	var list []string
	for i, l := range found {
		if i == mostLogs {
			b.lack("logs", place, fmt.Errorf("%d older logs", len(found)-mostLogs))
			break
		}
		list = append(list, l.path)
	}
	return list
}

// tail adds the end of a log, from the beginning of a line.
func (b *bundle) tail(ctx context.Context, name, file string) {
	text, cut, err := tailOf(ctx, file)
	if err != nil {
		b.lack(name, file, err)
		return
	}
	b.add(name, file, text, cut)
}

func tailOf(ctx context.Context, file string) (text []byte, cut int64, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: not a file", file)
	}
	f, err := infile.Open(ctx, file)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	cut = max(0, info.Size()-mostFile)
	if _, err := f.Seek(cut, io.SeekStart); err != nil {
		return nil, 0, err
	}
	if text, err = io.ReadAll(io.LimitReader(infile.Reader(ctx, f), mostFile)); err != nil {
		return nil, 0, err
	}
	if cut > 0 {
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			text, cut = text[i+1:], cut+int64(i)+1
		}
	}
	return text, cut, nil
}

// names registers the hosts and users that --redact replaces.
func (b *bundle) names(s *probe.Survey) {
	b.pseudonyms.Host(hostname())
	if u, err := user.Current(); err == nil {
		b.pseudonyms.User(u.Username)
	}
	for _, r := range s.Readings {
		for _, a := range r.Addresses {
			b.pseudonyms.Host(a.Host)
		}
	}
	if s.Config != nil {
		for _, m := range s.Config.Members() {
			b.pseudonyms.Host(m.Client.Host)
			for _, a := range m.Addrs {
				b.pseudonyms.Host(a.Host)
			}
		}
	}
	for _, e := range b.entries { // what members say of themselves (envi, environment, system_properties)
		for _, m := range saysWho().FindAllSubmatch(e.data, -1) {
			if string(m[1]) == "host" {
				b.pseudonyms.Host(string(m[2]))
			} else {
				b.pseudonyms.User(string(m[2]))
			}
		}
		for _, m := range serverLine().FindAllSubmatch(e.data, -1) {
			b.pseudonyms.Host(string(m[1]))
		}
	}
}

// json adds a value.
func (b *bundle) json(name string, v any) {
	text, err := escape.MarshalJSONFile(v)
	if err != nil {
		b.lack(name, "", err)
		return
	}
	b.add(name, "zkctl", text, 0)
}
