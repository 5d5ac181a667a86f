package logformatter

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

type statsOptions struct {
	Streams *ui.Streams
	Args    []string
	Depth   int
	Top     int
	Filter  filterOptions
	Output  string
}

func newStatsCommand(s *ui.Streams, run func(context.Context, *statsOptions) error) *cobra.Command {
	o := &statsOptions{Streams: s}
	if run == nil {
		run = runStats
	}
	c := &cobra.Command{
		Use:               "stats FILE|DIR...",
		ValidArgsFunction: command.Takes(command.File, 0, -1),
		Short:             "count transactions by type, path, session and time",
		Example: `  zkctl txnlog stats version-2
  zkctl txnlog stats --depth 2 --since 1d version-2
  zkctl txnlog stats -o json version-2/log.100000001`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(c, "missing log file or directory")
			}
			if _, err := ui.ParseFormat(o.Output); err != nil {
				return err
			}
			if o.Depth < 1 || o.Top < 1 {
				return errors.New("--depth and --top must be at least 1")
			}
			o.Args = args
			return run(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.SortFlags = false
	fs.IntVar(&o.Depth, "depth", 1, "group paths by their first `n` names")
	fs.IntVar(&o.Top, "top", 10, "show the `n` busiest paths and sessions")
	o.Filter.addFlags(fs)
	fs.StringVarP(&o.Output, "output", "o", string(ui.Text), "output `format`: text or json")
	completeValues(c, "output", string(ui.Text), string(ui.JSON))
	completeFilter(c)
	return c
}

// stats is what the logs add up to.
type stats struct {
	files     int
	size      int64 // of the files
	all       count
	damaged   int64 // with a wrong checksum, or undecodable
	least     int
	most      int
	largest   largest
	firstZxid int64
	lastZxid  int64
	firstTime int64
	lastTime  int64
	types     typeTally
	paths     pathTally
	sessions  tally[int64]
	rate      *survey.Buckets[int64]
	churn     *survey.Buckets[survey.WriteChurn]
	faults    []error // what is wrong with the files
}

// largest is the largest transaction.
type largest struct {
	zxid int64
	op   proto.Op
	path string
}

func newStats(depth int) *stats {
	return &stats{types: typeTally{}, sessions: newTally[int64](), paths: pathTally{newTally[string](), depth},
		rate: survey.NewRate(), churn: survey.NewBuckets((*survey.WriteChurn).Add)}
}

func runStats(ctx context.Context, o *statsOptions) error {
	s, err := countAll(ctx, o)
	if err != nil {
		return err
	}
	exit := ui.ExitOK
	for _, err := range s.faults {
		ui.Report(o.Streams.Err, ui.InFormat(command.Advise(err), ui.Format(o.Output)))
		var fault *storage.Fault
		if errors.As(err, &fault) {
			exit = max(exit, faultExit(fault))
		}
	}
	if o.Output == string(ui.JSON) {
		err = ui.PrintJSON(o.Streams.Out, s.survey(o.Top))
	} else {
		err = s.print(o)
	}
	if err == nil && exit != 0 {
		return &ui.ExitError{Code: exit}
	}
	return err
}

// countAll counts the transactions in all files.
func countAll(ctx context.Context, o *statsOptions) (*stats, error) {
	f, err := o.Filter.compile(now())
	if err != nil {
		return nil, err
	}
	logs, err := findLogs(o.Args)
	if err != nil {
		return nil, err
	}
	s := newStats(o.Depth)
	var total int64
	for _, log := range logs {
		total += log.Size
	}
	progress := o.Streams.NewProgress("read", total)
	defer progress.Done()
	var done int64
	for _, log := range logs {
		seen := 0
		err := eachEntry(log.Path, func(r *storage.LogReader, e *storage.Entry) error {
			if seen++; seen&0xfff == 0 {
				progress.Set(done + r.Offset())
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			if f.match(e) {
				s.add(e)
			}
			return nil
		})
		if isFault(err) {
			s.faults = append(s.faults, err)
		} else if err != nil {
			return nil, err
		}
		done += log.Size
		s.files++
		s.size += log.Size
	}
	return s, nil
}

func (s *stats) add(e *storage.Entry) {
	h := &e.Header
	size := len(e.Raw)
	if !e.Intact() {
		s.damaged++
	}
	if s.all.txns == 0 {
		s.least, s.firstZxid, s.firstTime, s.lastTime = size, h.Zxid, h.Time, h.Time
	}
	s.all.add(size)
	s.least = min(s.least, size)
	s.lastZxid = h.Zxid
	s.firstTime, s.lastTime = min(s.firstTime, h.Time), max(s.lastTime, h.Time)
	s.types.of(h.Type).add(size)
	s.sessions.add(h.ClientID, size)
	*s.rate.In(h.Time)++
	switch {
	case h.Type == proto.OpCreateSession:
		s.churn.In(h.Time).Opened++
	case h.Type == proto.OpCloseSession && sessionEnd(h) == endExpired:
		s.churn.In(h.Time).Expired++
	case h.Type == proto.OpCloseSession:
		s.churn.In(h.Time).Closed++
	}
	eachPart(e.Raw, func(op proto.Op, path []byte) bool {
		switch {
		case h.Type == proto.OpMulti && op == proto.OpMulti: // its parts are visited separately
			return false
		case h.Type == proto.OpMulti:
			s.types.of(op).parts++
		}
		if path != nil {
			s.paths.add(path, size)
		}
		return false
	})
	if size > s.most {
		s.most = size
		s.largest = largest{zxid: h.Zxid, op: h.Type}
		eachPart(e.Raw, func(_ proto.Op, path []byte) bool {
			s.largest.path = string(path)
			return path != nil
		})
	}
}

func (s *stats) topPaths(n int) ([]ranking[string], count, int) {
	return s.paths.ranked(n, cmp.Compare[string])
}

func (s *stats) topSessions(n int) ([]ranking[int64], count, int) {
	return s.sessions.ranked(n, cmp.Compare[int64])
}

// average is the mean size in bytes.
func (s *stats) average() int64 {
	if s.all.txns == 0 {
		return 0
	}
	return s.all.bytes / s.all.txns
}
