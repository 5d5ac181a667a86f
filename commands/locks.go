package commands

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/recipe"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

var locksCommand = &command.Command{
	Name: "locks", Group: command.Waiting, Usage: "[location] [--rate N]",
	Short: "list who holds locks and who waits for them",
	Long: "Finds the locks, elections and semaphores below a location by the names of their contenders: those of Curator, kazoo, zkctl, Hive, " +
		"Solr and ZooKeeper's own recipes. Prints the contenders of each in the order in which they come, with their sessions and, if the servers " +
		"tell them, clients. A location is a znode path, NAME:/path, zk://host:port/path, or file:PATH[@ZXID|@TIME][:/path].",
	Options: command.Options{readRate},
	Args:    []command.Arg{locationArg},
	Examples: []command.Example{
		{"locks /app", "all locks of an application"},
		{"locks /app -o json", "with all that is known"},
		{"locks file:version-2@10m:/app", "who held them ten minutes ago"},
	},
	Run: runLocks,
}

// contenders are the children of a znode that contend for a lock.
type contenders struct {
	path  string
	names []string
	stats map[string]proto.Stat
	data  map[string][]byte
}

// mostLockData is up to how many bytes of a contender's data are kept.
const mostLockData = 4 << 10

func runLocks(ctx context.Context, env *command.Env, in *command.Invocation) error {
	opt := source.Options{Data: true, Match: func(z *source.Znode) bool {
		_, is := recipe.ParseName(zpath.Name(z.Path))
		return is
	}}
	if err := value(in, readRate, 0, &opt.Rate); err != nil {
		return err
	}
	src, err := env.Open(in, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	var all []*contenders
	byPath := map[string]*contenders{}
	owners := newOwners()
	missing, err := walkLocation(ctx, env, src, opt, func(z *source.Znode) error {
		dir, name := path.Split(z.Path)
		dir = path.Clean(dir)
		c := byPath[dir]
		if c == nil {
			c = &contenders{path: dir, stats: map[string]proto.Stat{}, data: map[string][]byte{}}
			byPath[dir] = c
			all = append(all, c)
		}
		c.names = append(c.names, name)
		c.stats[name] = z.Stat
		c.data[name] = z.Data[:min(len(z.Data), mostLockData)]
		owners.add(z.Stat)
		return nil
	})
	if err != nil {
		return walked(ctx, missing, err, "nothing was printed")
	}
	owners.ask(ctx, env, src.Location)
	if env.Output == ui.JSON {
		err = printLocksJSON(env, all, owners)
	} else {
		err = printLocks(env, all, owners)
	}
	if err == nil {
		err = missing
	}
	return err
}

// placeJSON is a contender in JSON. ctime is in ms since 1970.
type placeJSON struct {
	Name    string      `json:"name"`
	Others  []string    `json:"otherNames,omitempty"`
	Layout  string      `json:"layout"`
	Role    recipe.Role `json:"role"`
	Holds   bool        `json:"holds"`
	After   string      `json:"waitsFor,omitempty"`
	Session string      `json:"session"`
	Client  string      `json:"client,omitempty"`
	Ctime   int64       `json:"ctime"`
	Czxid   string      `json:"czxid"`
	dataJSON
}

func printLocksJSON(env *command.Env, all []*contenders, owners *owners) error {
	out := newLines(env)
	for _, c := range all {
		places := []placeJSON{}
		for _, p := range recipe.Queue(c.names) {
			stat := c.stats[p.Name]
			places = append(places, placeJSON{p.Name, p.Others, p.Layout, p.Role, p.Holds, p.After, proto.Hex(stat.EphemeralOwner),
				owners.client(stat), stat.Ctime, proto.Hex(stat.Czxid), jsonData(c.data[p.Name])})
		}
		if err := out.object(struct {
			pathJSON
			Contenders []placeJSON `json:"contenders"`
		}{jsonPath(c.path), places}); err != nil {
			return err
		}
	}
	return out.Flush()
}

func printLocks(env *command.Env, all []*contenders, owners *owners) error {
	s := env.Streams
	for i, c := range all {
		rows := [][]string{{"", "ROLE", "SESSION", "CLIENT", "FOR", "DATA", "LAYOUT", "ZNODE"}}
		for _, p := range recipe.Queue(c.names) {
			stat := c.stats[p.Name]
			state := "waits"
			if p.Holds {
				state = "holds"
			}
			rows = append(rows, []string{state, string(p.Role), sessionText(stat), s.Name(owners.client(stat)), since(stat.Ctime),
				brief(c.data[p.Name], s), p.Layout, s.Name(p.Name)})
		}
		rows = columns(s, rows, "ZNODE", "LAYOUT", "DATA", "FOR", "ROLE", "CLIENT")
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		if _, err := io.WriteString(s.Out, s.Name(c.path)+"\n"+ui.Table(rows)); err != nil {
			return err
		}
	}
	if len(all) == 0 {
		env.Note("no locks were found")
	}
	owners.note(env)
	return nil
}

// since is how long ago a time in ms since 1970 was.
func since(ms int64) string {
	d := time.Since(time.UnixMilli(ms))
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// brief is the start of data that is text, on one line.
func brief(data []byte, s *ui.Streams) string {
	const most = 40
	if !escape.Printable(data) {
		return fmt.Sprintf("(%s)", command.Counted(len(data), "byte"))
	}
	text := []rune(string(data))
	if len(text) > most {
		text = append(text[:most-1], '…')
	}
	if s.OutTTY {
		return escape.Line(string(text))
	}
	return strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(string(text))
}
