package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

type timelineOptions struct {
	reading
	kinds   []string
	members []string
	all     bool
}

func newTimelineCommand(s *ui.Streams) *cobra.Command {
	o := &timelineOptions{reading: reading{streams: s}}
	c := &cobra.Command{
		Use:               "timeline FILE|DIR...",
		ValidArgsFunction: takesFiles,
		Short:             "show what matters in several logs, in order",
		Long: `Show what matters in the logs of several servers and clients, merged in time:
elections, sessions that end, lost connections, slow disks, pauses. Clocks are
compared by the events that two logs share, and times are corrected by the
difference, if there is one.`,
		Example: `  zkctl log timeline zk1.log zk2.log zk3.log app.log
  zkctl log timeline --kind election --kind quorum --since 2026-11-22T03:00 /var/log/zookeeper
  zkctl log timeline --member 3 -o json logs | jq -r .phrase`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			if len(args) == 0 && s.InTTY {
				return usageError(c, "missing log file or folder")
			}
			for _, kind := range o.kinds {
				if !slices.Contains(kinds(), kind) {
					return fmt.Errorf("unknown kind %q; use %s", kind, strings.Join(kinds(), ", "))
				}
			}
			if err := o.check(time.Now()); err != nil {
				return err
			}
			return runTimeline(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&o.kinds, "kind", nil, "show only phrases of this `kind`: election, session, disk, …; repeatable")
	fs.StringSliceVar(&o.members, "member", nil, "show only the server with this `id`; repeatable")
	fs.BoolVar(&o.all, "all", false, "also show routine phrases and unknown messages")
	o.addMergeFlags(c)
	_ = c.RegisterFlagCompletionFunc("kind", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return kinds(), cobra.ShellCompDirectiveNoFileComp
	})
	completeValues(c, "member")
	o.addFollow(c)
	return c
}

// addMergeFlags adds the options of verbs that merge logs.
func (r *reading) addMergeFlags(c *cobra.Command) {
	r.addFlags(c)
	c.Flags().BoolVar(&r.asLogged, "as-logged", false, "do not correct times by the differences between clocks")
}

// kinds lists the kinds of phrases.
func kinds() (list []string) {
	for _, p := range catalogue.Load().Phrases {
		if !slices.Contains(list, p.Kind) {
			list = append(list, p.Kind)
		}
	}
	return list
}

// shows reports whether the timeline shows an event; m is nil if it is no known phrase.
func (o *timelineOptions) shows(s *source, e *format.Event, m *catalogue.Match) bool {
	switch {
	case !o.wanted(e):
		return false
	case len(o.members) > 0 && !slices.Contains(o.members, s.member):
		return false
	case m == nil:
		return len(o.kinds) == 0 && (o.all || e.Level >= format.Error)
	case len(o.kinds) > 0 && !slices.Contains(o.kinds, m.Phrase.Kind):
		return false
	}
	return o.all || m.Phrase.Rank >= catalogue.Notable || len(o.kinds) > 0 && m.Phrase.Name != "notification"
}

func runTimeline(ctx context.Context, o *timelineOptions) error {
	if o.follow {
		return o.runFollow(ctx)
	}
	all, err := o.prepare(ctx)
	if err != nil {
		return err
	}
	in, err := newMerged(ctx, all)
	if err != nil {
		return err
	}
	defer in.close()
	t := &timeline{o: o, out: bufio.NewWriterSize(o.streams.Out, 64<<10)}
	t.head(all)
	err = in.each(ctx, func(h *head, m *catalogue.Match) error {
		if o.shows(h.source, h.event, m) {
			t.show(h, m)
		}
		return nil
	})
	return o.end(errors.Join(t.end(), err))
}

// runFollow shows events as they are written. Nothing is counted, and clocks are not compared.
func (o *timelineOptions) runFollow(ctx context.Context) error {
	t := &timeline{o: o, out: bufio.NewWriter(o.streams.Out), labels: o.mostLabel()}
	c := catalogue.Load()
	var m catalogue.Match
	return o.followAll(ctx, func(h *head) error {
		var match *catalogue.Match
		if c.Match(h.event.Text, &m) {
			match = &m
			h.source.learn(match)
		}
		if !o.shows(h.source, h.event, match) {
			return nil
		}
		h.source.short = h.source.label
		t.show(h, match)
		t.phrase = nil
		return t.end()
	})
}

// prepare opens the logs and compares their clocks.
func (r *reading) prepare(ctx context.Context) ([]*source, error) {
	all, err := r.sources(ctx)
	if err != nil {
		return nil, err
	}
	label(all)
	return all, r.estimateSkews(ctx, all)
}

// end is the error of a verb that has printed all.
func (r *reading) end(err error) error {
	if err == nil && r.failed {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return err
}

// timeline prints events.
type timeline struct {
	o      *timelineOptions
	out    *bufio.Writer
	buf    []byte
	labels int // the width of the longest name

	// The last event, to count how often it repeats.
	source *source
	phrase *catalogue.Phrase
	more   int
	until  int64
}

// head prints how far the clocks are apart.
func (t *timeline) head(all []*source) {
	shorten(all)
	t.labels = t.o.labelWidth(all)
	if t.o.json() {
		for _, s := range all {
			_, _ = t.out.Write(append(s.clockJSON(), '\n'))
		}
		return
	}
	if len(all) < 2 {
		return
	}
	for _, s := range all {
		fmt.Fprintln(t.out, t.o.streams.Hang(s.clockText(), 2))
	}
	fmt.Fprintln(t.out)
}

// labelWidth is how many columns the names of the logs take: as many as they have, but not too many of the terminal's.
func (r *reading) labelWidth(all []*source) (width int) {
	for _, s := range all {
		width = max(width, runewidth.StringWidth(escape.Line(s.short)))
	}
	return min(width, r.mostLabel())
}

func (r *reading) mostLabel() int { return min(max(r.streams.Width/6, 8), 24) }

// clockText says how the clock of a log differs.
func (s *source) clockText() string {
	return fmt.Sprintf("clock of %s: %s", escape.Line(s.who()), &s.skew)
}

// shorten names each log by its server, if no other log is of the same one.
func shorten(all []*source) {
	for _, s := range all {
		s.short = s.label
		if s.member != "" && !slices.ContainsFunc(all, func(other *source) bool { return other != s && other.member == s.member }) {
			s.short = "server " + s.member
		}
	}
}

// clockJSON is the log's skew; what is unknown is left out.
func (s *source) clockJSON() []byte {
	b := object{b: []byte{'{'}}
	b.text("type", "clock")
	b.text("file", s.name)
	b.text("member", s.member)
	if s.skew.known {
		b.int("skew", s.skew.ms)
		b.int("within", s.skew.within)
		b.int("pairs", int64(s.skew.pairs))
	}
	b.text("why", s.skew.why)
	return append(b.b, '}')
}

// who names a log: by the server's id and the file.
func (s *source) who() string {
	if s.member != "" {
		return s.member + " " + s.label
	}
	return s.label
}

func (t *timeline) show(h *head, m *catalogue.Match) {
	s, e := h.source, h.event
	if t.o.json() {
		t.buf = appendRecord(t.buf[:0], s.file, s.member, e, m)
		if e.Timed && s.correction() != 0 {
			b := object{b: t.buf[:len(t.buf)-1]}
			b.int("corrected", e.Time-s.correction())
			t.buf = append(b.b, '}')
		}
		_, _ = t.out.Write(append(t.buf, '\n'))
		return
	}
	if m != nil && t.source == s && t.phrase == m.Phrase {
		t.more++
		t.until = h.at
		return
	}
	t.flush()
	t.source, t.phrase = s, nil
	mark := " "
	if m != nil {
		t.phrase = m.Phrase
		if m.Phrase.Rank == catalogue.Problem {
			mark = "!"
		}
	} else if e.Level >= format.Error {
		mark = "!"
	}
	at := noTime()
	if e.Timed {
		at = ui.Time(e.Time - s.correction())
	}
	who := runewidth.FillRight(clip(s.short, t.labels), t.labels)
	room := max(t.o.streams.Width-len(at)-t.labels-5, leastText)
	text := clip(string(e.Text), room)
	if cause := rootCause(e.More); cause != nil {
		text += "\n" + strings.Repeat(" ", len(at)+t.labels+5) + clip(string(cause), room)
	}
	line := fmt.Sprintf("%s  %s %s %s", at, who, mark, text)
	if mark == "!" {
		line = t.o.streams.Paint(line, color.FgRed)
	}
	fmt.Fprintln(t.out, line)
}

// leastText is how many columns of a message are shown at least.
const leastText = 14

// noTime is as wide as a time.
func noTime() string { return strings.Repeat(" ", len(ui.Time(0))) }

// flush says how often the last event was repeated.
func (t *timeline) flush() {
	if t.more > 0 {
		room := max(t.o.streams.Width-len(noTime())-t.labels-5, leastText)
		fmt.Fprintf(t.out, "%s  %s   %s\n", noTime(), strings.Repeat(" ", t.labels), clip(fmt.Sprintf("… %s more until %s", times(int64(t.more)), ui.Time(t.until)), room))
	}
	t.more = 0
}

func (t *timeline) end() error {
	t.flush()
	return t.out.Flush()
}
