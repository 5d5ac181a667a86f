package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/disk"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/tempdir"
	"github.com/zkctl/zkctl/internal/ui"
)

type diskOptions struct {
	streams  *ui.Streams
	dir      string
	dataDir  string
	duration time.Duration
	size     int
	maxP99   time.Duration
	output   string

	sync     func(*os.File) error // fdatasync, unless a test has another
	patience time.Duration        // for an fsync that does not return
}

func newDiskCommand(s *ui.Streams, change ...func(*diskOptions)) *cobra.Command {
	opt := &diskOptions{streams: s, sync: storage.SyncData, patience: stuck}
	for _, f := range change {
		f(opt)
	}
	c := &cobra.Command{
		Use:               "disk DIR",
		Short:             "check how fast a disk takes ZooKeeper's log",
		ValidArgsFunction: command.Takes(command.File, 0, 1),
		Long: `Append to a log in DIR as a server does, and measure how long fsync takes: for half
of the time one write after the other, then 100 writes together. Compare it with what
a leader needs, and warn if the disk is shared, busy or nearly full, or not a disk.

The log is a new file in a new folder in DIR, which is removed at the end; it takes
up to 128 MiB, and existing files are left alone. A server on the same disk is slowed
down meanwhile.`,
		Annotations: command.Exits{0: "the disk is fit", 1: "it is not", 2: "that is unknown, because nothing could be measured"}.Predicate(),
		Example: `  zkctl check disk /var/lib/zookeeper
  zkctl check disk /zk/log --data-dir /zk/data --duration 60s
  zkctl check disk . -o json`,
		Args: command.ArgCount(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			opt.dir = args[0]
			return runDisk(c.Context(), opt)
		},
	}
	fs := c.Flags()
	fs.DurationVar(&opt.duration, "duration", 10*time.Second, "`time` to measure")
	fs.IntVar(&opt.size, "size", 1024, "`bytes` of data in each write")
	fs.DurationVar(&opt.maxP99, "max-p99", 10*time.Millisecond, "highest 99th percentile of fsync, a `time`")
	fs.StringVar(&opt.dataDir, "data-dir", "", "`folder` of the snapshots, if DIR is for the log alone")
	formatFlag(c, &opt.output)
	return c
}

// diskResult is what was found.
type diskResult struct {
	Dir     string
	System  *disk.FileSystem
	Space   *disk.Space
	Idle    *idle // before anything was written
	Phases  []phase
	Failed  error         // of a write or an fsync
	Stuck   time.Duration // how long an fsync had not returned when it was given up
	Folders []string      // DIR, and the folder of the snapshots if it is on the same file system
	Snaps   bool          // snapshots are in DIR
}

// idle is what others do to a disk.
type idle struct {
	WritesPerSec float64
	Busy         float64 // fraction of the time with a request under way
}

const (
	mostBytes = 1 << 20 // jute.maxbuffer, about
	// watched is how long to look at what others do before measuring.
	watched = 500 * time.Millisecond
	// stuck is how long an fsync may take before it is given up.
	stuck = 30 * time.Second
	// roomNeeded is the least room: what the log takes, twice over, so that a server beside it does not run out of it.
	roomNeeded = 4 * logBytes
)

func runDisk(ctx context.Context, opt *diskOptions) error {
	format, err := ui.ParseFormat(opt.output)
	switch {
	case err != nil:
		return err
	case opt.duration <= 0:
		return fmt.Errorf("--duration: invalid value %v; use a positive time, such as 10s", opt.duration)
	case opt.maxP99 <= 0:
		return fmt.Errorf("--max-p99: invalid value %v; use a positive time, such as 10ms", opt.maxP99)
	case opt.size < 0 || opt.size > mostBytes:
		return fmt.Errorf("--size: invalid value %d; use 0 to %d bytes", opt.size, mostBytes)
	}
	r, err := opt.find()
	if err == nil && (r.Space == nil || r.Space.Free >= roomNeeded) {
		err = opt.measure(ctx, r)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("check the disk of %s: %w", opt.dir, err)
	}
	v := judgeDisk(r, opt.maxP99)
	if err := r.print(opt, format, v); err != nil {
		return err
	}
	return exit(v)
}

// find looks at the folder without writing to it.
func (opt *diskOptions) find() (*diskResult, error) {
	r := &diskResult{Dir: opt.dir, Folders: []string{opt.dir}}
	folder, err := os.Stat(opt.dir)
	switch {
	case err != nil:
		return nil, err
	case !folder.IsDir():
		return nil, errors.New("it is not a folder; name the one that is to hold the log (dataLogDir, or dataDir)")
	}
	if system, err := disk.FileSystemOf(opt.dir); err == nil {
		r.System = &system
	}
	if space, err := disk.SpaceOf(opt.dir); err == nil {
		r.Space = &space
	}
	if opt.dataDir != "" {
		data, err := os.Stat(opt.dataDir)
		if err != nil {
			return nil, fmt.Errorf("--data-dir: %w", err)
		}
		if os.SameFile(folder, data) {
			r.Snaps = true
			return r, nil
		}
		same, err := disk.Shared(opt.dir, opt.dataDir)
		other, otherErr := disk.FileSystemOf(opt.dataDir)
		if err == nil && same || otherErr == nil && r.System != nil && sharesDisk(r.System.Disks, other.Disks) {
			r.Folders = append(r.Folders, opt.dataDir)
		}
		return r, nil
	}
	for _, dir := range []string{opt.dir, filepath.Join(opt.dir, "version-2")} {
		found, _ := os.ReadDir(dir) // one that cannot be read holds none that matter
		r.Snaps = r.Snaps || slices.ContainsFunc(found, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "snapshot.") })
	}
	return r, nil
}

func sharesDisk(a, b []string) bool {
	return slices.ContainsFunc(a, func(disk string) bool { return slices.Contains(b, disk) })
}

// watchIdle looks for a moment at what others do to the disk.
func (r *diskResult) watchIdle(ctx context.Context, length time.Duration) {
	if r.System == nil {
		return
	}
	before, err := r.System.Traffic()
	if err != nil {
		return
	}
	start := time.Now()
	select {
	case <-time.After(length):
	case <-ctx.Done():
		return
	}
	if after, err := r.System.Traffic(); err == nil {
		took := time.Since(start)
		r.Idle = &idle{float64(after.Writes-before.Writes) / took.Seconds(), min(1, float64(after.BusyMs-before.BusyMs)/float64(took.Milliseconds()))}
	}
}

// measure writes. Its error means that nothing could be measured.
func (opt *diskOptions) measure(ctx context.Context, r *diskResult) error {
	r.watchIdle(ctx, min(watched, opt.duration/10))
	dir, err := tempdir.MakeIn(opt.dir, "check-disk")
	if err != nil {
		return err
	}
	progress := opt.streams.NewProgress("check disk", 100)
	defer progress.Done()
	done := make(chan error, 1)
	beats := make(chan struct{}, 1) // before each fsync
	var phases []phase
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // an fsync cannot be interrupted
		j := &journal{dir: dir.Path(), data: make([]byte, opt.size), sync: opt.sync, began: func() {
			select {
			case beats <- struct{}{}:
			default:
			}
		}}
		err := error(nil)
		for _, together := range []int{1, waiting} {
			var p phase
			if p, err = j.run(within, together, opt.duration/2); err != nil {
				break
			}
			phases = append(phases, p)
		}
		if closeErr := j.close(); err == nil {
			err = closeErr
		}
		if removeErr := dir.Remove(); removeErr != nil && err == nil {
			err = removeErr
		}
		done <- err
	}()
	start, began := time.Now(), time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	interrupted := ctx.Done()
	patience := opt.patience
	for {
		select {
		case err := <-done:
			r.Phases, r.Failed = phases, err
			return nil
		case <-beats:
			began = time.Now()
		case <-interrupted:
			interrupted, began, patience = nil, time.Now(), min(patience, time.Second)
		case <-tick.C:
			progress.Set(min(99, int64(100*time.Since(start)/opt.duration)))
			if time.Since(began) > patience {
				r.Stuck = time.Since(began)
				if ctx.Err() == nil {
					cancel()
				}
				return nil
			}
		}
	}
}

func (r *diskResult) print(opt *diskOptions, format ui.Format, v *verdict) error {
	s := opt.streams
	if format == ui.JSON {
		v.complete()
		return ui.PrintJSON(s.Out, r.document(opt, v))
	}
	out := &strings.Builder{}
	fmt.Fprintf(out, "%s: %s\n", escape.Line(r.Dir), v.word(s))
	if text := r.where(); text != "" {
		fmt.Fprintln(out, s.Hang("  "+escape.Line(text), 4))
	}
	if len(r.Phases) > 0 {
		rows := [][]string{{"writes together", "writes/s", "fsyncs", "median", "90%", "99%", "99.9%", "slowest"}}
		for _, p := range r.Phases {
			t := p.Sync
			rows = append(rows, []string{fmt.Sprint(p.Together), fmt.Sprintf("%.0f", p.PerSec), fmt.Sprint(t.Count), brief(t.Median), brief(t.P90), brief(t.P99), brief(t.P999), brief(t.Slowest)})
		}
		rows = append(rows, []string{"a leader needs", "", "", "", "", "≤ " + brief(opt.maxP99), "", "< " + brief(warnAt)})
		table(s, out, rows, "90%", "99.9%", "fsyncs", "median")
	}
	v.print(s, out)
	_, err := io.WriteString(s.Out, out.String())
	return err
}

// where says what holds the folder.
func (r *diskResult) where() string {
	var parts []string
	if f := r.System; f != nil && f.Type != "" {
		text := f.Type
		if f.Source != "" && f.Source != f.Type && f.Source != "none" {
			text += " of " + f.Source
		}
		if f.Mount != "" {
			text += " at " + f.Mount
		}
		parts = append(parts, text)
	}
	if r.Space != nil {
		parts = append(parts, fmt.Sprintf("%s of %s free", ui.Bytes(r.Space.Free), ui.Bytes(r.Space.Total)))
	}
	return strings.Join(parts, ", ")
}

// diskDocument is a diskResult in JSON.
type diskDocument struct {
	Dir        string   `json:"dir"`
	Fit        *bool    `json:"fit"`
	FileSystem *string  `json:"fileSystem"`
	Kind       *string  `json:"kind"`
	Source     *string  `json:"source"`
	Mount      *string  `json:"mount"`
	Disks      []string `json:"disks"`
	Free       *int64   `json:"free"` // bytes
	Total      *int64   `json:"total"`
	OthersPerS *float64 `json:"othersWritesPerSecond"`
	OthersBusy *float64 `json:"othersBusy"`
	Size       int      `json:"size"`
	Phases     []phase  `json:"measured"`
	MaxP99     float64  `json:"maxP99Ms"`
	WarnAt     float64  `json:"fsyncWarningThresholdMs"`
	verdict
}

func (r *diskResult) document(opt *diskOptions, v *verdict) *diskDocument {
	d := &diskDocument{Dir: r.Dir, Fit: v.fit(), Size: opt.size, Disks: []string{}, Phases: r.Phases, MaxP99: ms(opt.maxP99), WarnAt: ms(warnAt), verdict: *v}
	if d.Phases == nil {
		d.Phases = []phase{}
	}
	known := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	if f := r.System; f != nil {
		d.FileSystem, d.Kind, d.Source, d.Mount = known(f.Type), known(string(f.Kind)), known(f.Source), known(f.Mount)
		d.Disks = append(d.Disks, f.Disks...)
	}
	if r.Space != nil {
		d.Free, d.Total = &r.Space.Free, &r.Space.Total
	}
	if r.Idle != nil {
		d.OthersPerS, d.OthersBusy = &r.Idle.WritesPerSec, &r.Idle.Busy
	}
	return d
}

// formatFlag declares -o.
func formatFlag(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", string(ui.Text), "`format`: text or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{string(ui.Text), string(ui.JSON)}, cobra.ShellCompDirectiveNoFileComp))
}
