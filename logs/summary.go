package logs

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

type summaryOptions struct {
	reading
	top int
}

func newSummaryCommand(s *ui.Streams) *cobra.Command {
	o := &summaryOptions{reading: reading{streams: s, counts: true}}
	c := &cobra.Command{
		Use:               "summary FILE|DIR...",
		ValidArgsFunction: takesFiles,
		Short:             "count what logs say, and show what stands out",
		Long: `Count events by level, member and phrase, show what stands out, group exceptions by
their cause, and group unknown messages by their shape. Without arguments, read
standard input.`,
		Example: `  zkctl log summary /var/log/zookeeper
  zkctl log summary --since 2h zk1.log zk2.log zk3.log
  kubectl logs zk-0 --timestamps | zkctl log summary -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			if len(args) == 0 && s.InTTY {
				return usageError(c, "missing log file or folder")
			}
			if o.top < 1 {
				return errors.New("--top must be at least 1")
			}
			if err := o.check(time.Now()); err != nil {
				return err
			}
			return runSummary(c.Context(), o)
		},
	}
	c.Flags().IntVar(&o.top, "top", 20, "show the `n` most frequent exceptions and unknown messages")
	completeValues(c, "top")
	o.addFlags(c)
	return c
}

// mostKeys limits how many different messages and exceptions are told apart; it bounds the memory.
const mostKeys = 5000

// longestSample is how many bytes of a message a sample shows.
const longestSample = 1 << 10

// count is how often something was seen, and when.
type count struct {
	n           int64
	first, last int64 // ms since 1970
	timed       bool
	sample      string // the first message
	file        string // where it was
	line        int64
}

func (c *count) add(e *format.Event) {
	c.n++
	if e.Timed {
		if !c.timed {
			c.first, c.last, c.timed = e.Time, e.Time, true
		}
		c.first, c.last = min(c.first, e.Time), max(c.last, e.Time)
	}
}

func (c *count) merge(other *count) {
	if c.n == 0 || other.n > 0 && other.timed && (!c.timed || other.first < c.first) {
		c.sample, c.file, c.line = other.sample, other.file, other.line
	}
	c.n += other.n
	if other.timed {
		if !c.timed {
			c.first, c.last, c.timed = other.first, other.last, true
		}
		c.first, c.last = min(c.first, other.first), max(c.last, other.last)
	}
}

// tally is what logs add up to.
type tally struct {
	files   int64
	bytes   int64
	lines   int64
	unclear int64 // lines whose date can be read in several ways, or does not exist
	back    int64 // how often a log's time goes back, by more than leastBack
	backAt  count // where that is first, with the time before and after it
	cut     int64 // bytes of overlong events
	all     count
	levels  [format.Levels]int64
	members map[string]*count
	phrases []count // by Phrase.Index
	causes  map[string]*count
	unknown map[string]*count
	others  count // unknown messages beyond mostKeys
	headed  int64 // events of which the layout is known

	shape []byte
}

// leastBack is how much earlier, in ms, than the event before an event must be for its log's clock to count as set back:
// threads log a little out of order.
const leastBack = 2000

// follows compares the event with the time of the one before in the file.
func (t *tally) follows(before int64, file string, e *format.Event) {
	if e.Time >= before-leastBack {
		return
	}
	if t.back++; t.back == 1 {
		t.backAt = count{n: 1, first: e.Time, last: before, timed: true, file: file, line: e.Line}
	}
}

func newTally(c *catalogue.Catalogue) *tally {
	return &tally{members: map[string]*count{}, causes: map[string]*count{}, unknown: map[string]*count{}, phrases: make([]count, len(c.Phrases))}
}

func (t *tally) add(c *catalogue.Catalogue, m *catalogue.Match, file, member string, e *format.Event) {
	t.all.add(e)
	t.levels[e.Level]++
	t.cut += e.Cut
	if e.Layout != format.Plain {
		t.headed++
	}
	if member != "" {
		k := t.members[member]
		if k == nil {
			if len(t.members) >= mostKeys {
				member = "others"
			}
			k = &count{}
			t.members[member] = k
		}
		k.add(e)
	}
	if c.Match(e.Text, m) {
		k := &t.phrases[m.Phrase.Index()]
		if k.n == 0 {
			k.sample, k.file, k.line = cut(e.Text, longestSample), file, e.Line
		}
		k.add(e)
	} else {
		t.shape = appendShape(t.shape[:0], e.Text)
		t.group(t.unknown, &t.others, file, e)
	}
	if len(e.More) > 0 {
		if cause := rootCause(e.More); cause != nil {
			t.shape = appendShape(t.shape[:0], cause)
			var rest count
			t.group(t.causes, &rest, file, e)
		}
	}
}

// group counts the event under t.shape, or under rest if there are too many keys.
func (t *tally) group(keys map[string]*count, rest *count, file string, e *format.Event) {
	k := keys[string(t.shape)]
	if k == nil {
		if len(keys) >= mostKeys {
			rest.add(e)
			return
		}
		k = &count{sample: cut(e.Text, longestSample), file: file, line: e.Line}
		keys[string(t.shape)] = k
	}
	k.add(e)
}

func (t *tally) merge(other *tally) {
	t.files += other.files
	t.bytes += other.bytes
	t.lines += other.lines
	t.unclear += other.unclear
	if t.back == 0 {
		t.backAt = other.backAt
	}
	t.back += other.back
	t.cut += other.cut
	t.headed += other.headed
	t.all.merge(&other.all)
	t.others.merge(&other.others)
	for i := range t.levels {
		t.levels[i] += other.levels[i]
	}
	for i := range t.phrases {
		t.phrases[i].merge(&other.phrases[i])
	}
	for _, pair := range [][2]map[string]*count{{t.members, other.members}, {t.causes, other.causes}, {t.unknown, other.unknown}} {
		for key, c := range pair[1] {
			mine := pair[0][key]
			if mine == nil {
				mine = &count{}
				pair[0][key] = mine
			}
			mine.merge(c)
		}
	}
}

// keyed is a count with what it counts.
type keyed struct {
	key string
	*count
}

// ranked sorts counts, most frequent first.
func ranked(counts map[string]*count) []keyed {
	list := make([]keyed, 0, len(counts))
	for key, c := range counts {
		list = append(list, keyed{key, c})
	}
	slices.SortFunc(list, func(a, b keyed) int {
		if d := cmp.Compare(b.n, a.n); d != 0 {
			return d
		}
		return cmp.Compare(a.key, b.key)
	})
	return list
}

func runSummary(ctx context.Context, o *summaryOptions) error {
	all, err := o.sources(ctx)
	if err != nil {
		return err
	}
	sum, err := o.tallyAll(ctx, all)
	if err != nil {
		return err
	}
	s := &summary{tally: sum, logs: len(all)}
	if o.json() {
		err = s.printJSON(o)
	} else {
		err = s.print(o)
	}
	if err == nil && o.failed {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return err
}

// tallyAll counts the files, several at a time.
func (o *summaryOptions) tallyAll(ctx context.Context, all []*source) (*tally, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := catalogue.Load()
	sum := newTally(c)
	slots := make(chan struct{}, min(runtime.GOMAXPROCS(0), 4))
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, s := range all {
		for _, f := range s.files {
			file := s.again()
			file.files = []string{f}
			parts := file.parts(ctx)
			tallies := make([]*tally, len(parts))
			left := len(parts)
			for i := range parts {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					t := newTally(c)
					if err := parts[i].tally(ctx, c, t); err != nil {
						cancel(err)
					}
					mu.Lock()
					defer mu.Unlock()
					tallies[i] = t
					if left--; left == 0 {
						sum.mergeParts(tallies)
					}
				})
			}
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return sum, nil
}

// mergeParts adds the parts of a file, in which lines are counted from the part's first.
func (t *tally) mergeParts(parts []*tally) {
	var lines int64
	for i, p := range parts {
		if i > 0 {
			p.files = 0
			p.backAt.line += lines
			for j := range p.phrases {
				p.phrases[j].line += lines
			}
			for _, counts := range []map[string]*count{p.causes, p.unknown} {
				for _, k := range counts {
					k.line += lines
				}
			}
		}
		lines += p.lines
		t.merge(p)
	}
}

func (t *tally) source(ctx context.Context, c *catalogue.Catalogue, s *source) error {
	var m catalogue.Match
	var before int64
	err := s.each(ctx, func(e *format.Event) {
		if s.reading.wanted(e) {
			t.add(c, &m, s.file, s.member, e)
		}
		if e.Timed {
			if before != 0 {
				t.follows(before, s.file, e)
			}
			before = e.Time
		}
	})
	if err != nil {
		return err
	}
	t.files++
	t.bytes += s.bytes
	t.lines += s.lines
	t.unclear += s.unclear
	return nil
}
