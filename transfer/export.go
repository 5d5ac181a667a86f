package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zpath"
)

// The values of --format.
const (
	jsonl    = "jsonl"
	folder   = "dir"
	snapshot = "snapshot"
)

// The values of --ephemerals.
const (
	skipEphemerals = export.SkipEphemerals
	markEphemerals = "mark"
)

// settleTime is the default of --consistent-timeout.
const settleTime = time.Minute

// exporting is the options of export, which backup create shares.
type exporting struct {
	env          *command.Env
	out          string
	format       string
	include      []string
	exclude      []string
	ephemerals   string
	compress     string
	rate         int
	system       bool
	settle       time.Duration
	inconsistent bool
	via          string
	adminPort    string
	log          string

	filter *filter
}

func newExport(env *command.Env) *cobra.Command {
	e := &exporting{env: env}
	c := &cobra.Command{
		Use: "export LOCATION",
		Long: `Write the znode at a location, with everything below it, to a file: data, ACLs, stats,
kinds, TTLs, and the numbers of the next sequential children. import writes it to an
ensemble, and every command that reads a location reads it as file:FILE.

The export of a live tree is consistent: all znodes are as they were at one zxid. What
changes during the walk is read again, and what no watch reports is compared, until
nothing has changed. If that does not end within --consistent-timeout, the file says so,
and the exit code is 1. A lost connection starts the walk over.

With --via admin, the AdminServer of a server of 3.9 sends its tree, which costs it less
than a walk and tells kinds and TTLs; it needs an identity with all permissions on /. The
server goes on meanwhile, so the export is only consistent if nothing was written, or if
--log names a data directory with the logs after it.

Formats:
  jsonl     a JSON object a line, with a checksum at the end; see docs/transfer.md
  dir       a folder of files to edit and to put under version control
  snapshot  a snapshot that a server starts from, with zxids, versions, times and counters as they were

Ephemeral znodes belong to sessions; by default they are left out. A server does not
tell containers and TTL znodes from persistent ones; files do. /zookeeper belongs to the
ensemble; --system exports its quotas.`,
		Example: `  zkctl export /app -O app.jsonl.zst
  zkctl export prod:/ --exclude '/locks' --format dir -O tree
  zkctl export file:/var/lib/zookeeper@10m:/config | jq -r .path
  zkctl -auth-file admin.auth export / --via admin --log /var/lib/zookeeper -O all.jsonl`,
		Args:              command.ArgCount(1, 1),
		ValidArgsFunction: command.Takes(command.Location, 0, 0),
		RunE: func(c *cobra.Command, args []string) error {
			return e.run(c.Context(), args[0])
		},
	}
	fs := c.Flags()
	fs.StringVarP(&e.out, "out", "O", "", "write to this `file`, or folder for --format dir; - is the output, the default")
	choice(c, &e.format, "format", jsonl, "write this `format`: jsonl, dir or snapshot", jsonl, folder, snapshot)
	choice(c, &e.compress, "compress", "", "compress with this `method`, gzip or zstd (default: as the file's name ends, .gz or .zst)", export.Gzip, export.Zstd)
	e.add(c)
	return c
}

// choice declares an option whose value is one of a few words.
func choice(c *cobra.Command, to *string, name, value, usage string, words ...string) {
	c.Flags().StringVar(to, name, value, usage)
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// add declares the options that backup create has, too.
func (e *exporting) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringArrayVar(&e.include, "include", nil, "only znodes that match this `glob`, and what is below; can be repeated")
	fs.StringArrayVar(&e.exclude, "exclude", nil, "without znodes that match this `glob`, and what is below; can be repeated")
	choice(c, &e.ephemerals, "ephemerals", skipEphemerals, "`skip` ephemeral znodes, or mark them as such", skipEphemerals, markEphemerals)
	fs.IntVar(&e.rate, "rate", 0, "make at most `N` requests a second; 0 for no limit")
	fs.BoolVar(&e.system, "system", false, "also the quotas in /zookeeper")
	fs.DurationVar(&e.settle, "consistent-timeout", settleTime, "how long to try for a consistent export")
	choice(c, &e.via, "via", viaSession, "read through a `session`, or let an AdminServer of 3.9 send the tree: admin", viaSession, viaAdmin)
	fs.StringVar(&e.adminPort, "admin-port", "", "`port` of the AdminServers for --via admin, or one for each server, separated by commas (default 8080)")
	fs.StringVar(&e.log, "log", "", "data `directory` whose transaction logs make what --via admin reads consistent")
	fs.BoolVar(&e.inconsistent, "allow-inconsistent", false, "exit with 0 even if the export is not consistent")
}

// check checks the options.
func (e *exporting) check() (err error) {
	switch {
	case !slices.Contains([]string{"", jsonl, folder, snapshot}, e.format):
		return fmt.Errorf("--format: unknown format %q; use jsonl, dir or snapshot", e.format)
	case !slices.Contains([]string{skipEphemerals, markEphemerals}, e.ephemerals):
		return fmt.Errorf("--ephemerals: unknown word %q; use skip or mark", e.ephemerals)
	case !slices.Contains([]string{"", export.Gzip, export.Zstd}, e.compress):
		return fmt.Errorf("--compress: unknown compression %q; use gzip or zstd", e.compress)
	case e.via != "" && e.via != viaSession && e.via != viaAdmin:
		return fmt.Errorf("--via: unknown way %q; use session or admin", e.via)
	case e.via != viaAdmin && (e.log != "" || e.adminPort != ""):
		return errors.New("--log and --admin-port are for --via admin")
	case e.rate < 0:
		return fmt.Errorf("--rate: %d is not a number of requests a second; use 0 for no limit", e.rate)
	case e.settle <= 0:
		return fmt.Errorf("--consistent-timeout: %v is too short", e.settle)
	case e.format == folder && (e.out == "" || e.out == "-"):
		return errors.New("--format dir needs a folder: -O FOLDER")
	case e.format == snapshot && (e.out == "" || e.out == "-"):
		return errors.New("--format snapshot needs a file or a folder: -O version-2")
	case e.compress != "" && e.format == folder:
		return errors.New("--compress does not apply to --format dir")
	}
	e.filter, err = newFilter(e.include, e.exclude)
	return err
}

// sink is what an export is written to.
type sink interface {
	// begin is called once, before the first znode.
	begin(h *export.Header) error
	add(r *export.Record) error
	// commit makes it exist; abandon, if it was not called, leaves what was there before. name is for people.
	commit() error
	abandon()
	name() string
}

func (e *exporting) run(ctx context.Context, location string) error {
	if err := e.check(); err != nil {
		return err
	}
	to, err := e.sink()
	if err != nil {
		return err
	}
	defer to.abandon()
	x, err := e.write(ctx, location, to)
	if interrupted := command.Stopped(ctx, err, "nothing was written"); interrupted != nil {
		return interrupted
	}
	if err != nil {
		return err
	}
	where := ""
	if name := to.name(); name != "" {
		where = " to " + e.env.Streams.Name(name)
	}
	e.env.Note("exported %s with %s of data%s%s", command.Counted(int(x.written), "znode"), ui.Bytes(x.bytes), where, x.moment())
	return x.verdict()
}

func (e *exporting) sink() (sink, error) {
	switch e.format {
	case folder:
		return newTree(e.out)
	case snapshot:
		return newSnapshotFile(e.out, e.compress)
	}
	return newStream(e.env.Streams, e.out, e.compress)
}

// writing is an export under way.
type copying struct {
	*exporting
	src     *source.Source
	to      sink
	root    string
	state   source.Moment
	known   bool // state is
	begun   bool
	pending []export.Record // the znodes above the next that are written if something below them is
	lost    string          // a znode that is left out, and with it what is below
	orphans int             // how many were left out for that
	hidden  int             // ACLs that were read without the hashes of passwords
	written int64
	bytes   int64
	missing error
}

// write exports a location.
func (e *exporting) write(ctx context.Context, location string, to sink) (*copying, error) {
	src, err := e.open(ctx, location)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	x := &copying{exporting: e, src: src, to: to, root: src.Location.Path}
	copy(x.filter.idle, e.include) // for each backup
	bar := newProgress(e.env, "read")
	defer bar.done()
	opt := source.Options{Stat: true, Data: true, ACL: true, Rate: e.rate, Settle: e.settle, Progress: bar.set, Bytes: &bar.bytes, Total: bar.of,
		Settling: func(why string) {
			bar.done()
			e.env.Note("%s", why)
		},
		Moment: func(m source.Moment) { x.state, x.known = m, true }}
	report, err := src.Walk(ctx, opt, x.visit)
	bar.done()
	err = e.env.At(src.Location, err)
	x.missing = e.env.Missing(src.Location, x.wanted(report))
	if err == nil {
		err = x.begin()
	}
	if err == nil {
		err = to.commit()
	}
	return x, err
}

// wanted leaves out what could not be read and is not to be exported.
func (x *copying) wanted(report source.Report) source.Report {
	n := len(report.Unread)
	report.Unread = slices.DeleteFunc(report.Unread, func(u source.Unread) bool {
		_, below := x.filter.keeps(u.Path)
		return !below
	})
	report.Failed -= n - len(report.Unread)
	return report
}

// begin writes the header, once.
func (x *copying) begin() error {
	if x.begun {
		return nil
	}
	x.begun = true
	h := &export.Header{Writer: writer(), Source: x.place(), Root: x.root, Start: x.state.Start, End: x.state.End,
		Consistent: x.state.Consistent, Dirty: x.state.Dirty, Time: time.Now().UnixMilli(), Kinds: x.src.TellsKinds(),
		Options: export.Options{Include: x.include, Exclude: x.exclude, Ephemerals: x.ephemerals, System: x.system}}
	return x.to.begin(h)
}

// place is where the znodes come from, for the header.
func (x *copying) place() string {
	if l := x.src.Location; l.Form != source.Here {
		return l.Text
	}
	servers := x.env.Session.Servers()
	return source.ServersPrefix + strings.TrimSuffix(servers, "/") + x.root
}

func (x *copying) visit(z *source.Znode) error {
	keep, below := x.filter.keeps(z.Path)
	switch {
	case !below && z.Path != x.root:
		return nil
	case x.lost != "" && zpath.IsBelow(z.Path, x.lost):
		x.orphans++
		return nil
	case !z.Known: // the report names it
		x.lost = z.Path
		return nil
	case z.Kind == source.Ephemeral && x.ephemerals == skipEphemerals, x.format != snapshot && isSystem(x.src, z.Path, x.system):
		return nil
	}
	for len(x.pending) > 0 && !zpath.IsBelow(z.Path, x.pending[len(x.pending)-1].Path) {
		x.pending = x.pending[:len(x.pending)-1]
	}
	r := z.Record()
	if !keep && z.Path != x.root {
		r.Data = slices.Clone(r.Data)
		x.pending = append(x.pending, r)
		return nil
	}
	for i := range x.pending {
		if err := x.add(&x.pending[i]); err != nil {
			return err
		}
	}
	x.pending = x.pending[:0]
	return x.add(&r)
}

func (x *copying) add(r *export.Record) error {
	if err := x.begin(); err != nil {
		return err
	}
	if source.HidesHashes(r.ACL) {
		x.hidden++
	}
	x.written++
	x.bytes += int64(len(r.Data))
	return x.to.add(r)
}

// isSystem reports whether a znode belongs to the ensemble, and is left out. With quotas, those are not.
func isSystem(src *source.Source, path string, quotas bool) bool {
	const system, quota, figures = "/zookeeper", "/zookeeper/quota", "/zookeeper_stats"
	if src.Location.Path != "/" || path != system && !zpath.IsBelow(path, system) {
		return false
	}
	if conn := src.Conn(); conn != nil && conn.Chroot() != "" {
		return false // below a chroot it is like any other
	}
	return !quotas || path != system && path != quota && !zpath.IsBelow(path, quota) || strings.HasSuffix(path, figures)
}

// moment says which state was exported.
func (x *copying) moment() string {
	switch {
	case !x.known:
		return ""
	case x.state.Consistent:
		return fmt.Sprintf(", as they were at zxid 0x%x", uint64(x.state.End))
	}
	return fmt.Sprintf(", from zxid 0x%x to 0x%x", uint64(x.state.Start), uint64(x.state.End))
}

// verdict is the error of an export that was written, but is not what was asked for.
func (x *copying) verdict() error {
	if x.orphans > 0 {
		x.env.Warn("%s left out, because they are below znodes that could not be read", command.Counted(x.orphans, "znode"))
	}
	for _, glob := range x.filter.idle {
		if glob != "" {
			x.env.Warn("--include %s: no znode matches", escape.Line(glob))
		}
	}
	if x.hidden > 0 {
		x.env.Warn("the ACLs of %s lack the hashes of passwords, which a server only shows to who may set the ACL (addauth adds an identity)", command.Counted(x.hidden, "znode"))
	}
	if x.missing != nil {
		return x.missing
	}
	if x.state.Consistent || x.inconsistent {
		if !x.state.Consistent {
			x.env.Warn("%s", x.unsettled())
		}
		return nil
	}
	return errors.New(x.unsettled() + "; --allow-inconsistent accepts that")
}

func (x *copying) unsettled() string {
	switch {
	case x.via == viaAdmin:
		return "the export may not be consistent: the server went on while it sent its tree; --log DIR replays its transaction logs on that"
	case x.src.Conn() != nil:
		return fmt.Sprintf("the export is not consistent: after %v, %s still changing (--consistent-timeout gives it more time)", x.settle, were(x.state.Dirty, "znode"))
	case !x.known:
		return "the export may not be consistent: it is not known which state the source holds"
	}
	return "the export may not be consistent: the source was written while the tree changed; a data directory has the logs that complete it"
}

func were(n int, what string) string {
	if n == 1 {
		return command.Counted(n, what) + " was"
	}
	return command.Counted(n, what) + " were"
}
