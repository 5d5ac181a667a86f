package ensemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

type statusOptions struct {
	asking
	watch  bool
	every  time.Duration
	output string
}

func newStatusCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &statusOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:         "status",
		Short:       "show the members and a verdict on the whole",
		Annotations: command.Exits{0: "there is a quorum", 1: "there is none", 2: "that is unknown"}.Predicate(),
		Long: `Show each member's role, last zxid, lag behind the leader, connections, latency,
version and uptime, and how it was asked; then, in a sentence, whether the ensemble
serves and how many failures it survives. "?" stands for what a member did not
report. Columns that do not fit the terminal are left out.`,
		Example: `  zkctl -server zk1 ensemble status
  zkctl ensemble status -w
  zkctl ensemble status --members zk1:2181,zk2:2181,zk3:2181 -o json`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runStatus(c.Context(), opt) },
	}
	opt.add(c)
	c.Flags().BoolVarP(&opt.watch, "watch", "w", false, "keep updating, with rates, until Ctrl-C")
	c.Flags().DurationVar(&opt.every, "every", time.Second, "`time` between two updates with -w")
	formatFlag(c, &opt.output, "one object")
	return c
}

func runStatus(ctx context.Context, opt *statusOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	view := &statusView{streams: opt.streams, format: format}
	if opt.watch {
		view.rates = true
		return opt.repeat(ctx, p, widen, view)
	}
	s, err := survey(ctx, p, widen, opt.timeout)
	if err != nil {
		return err
	}
	if err := view.print(s); err != nil {
		return err
	}
	return exitOf(s.Judge().Quorum)
}

func survey(ctx context.Context, p *probe.Prober, widen bool, timeout time.Duration) (*probe.Survey, error) {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := p.Survey(within, widen)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return s, err
}

// exitOf returns the exit code for yes, no or unknown.
func exitOf(good answer.Opt[bool]) error {
	switch yes, known := good.Get(); {
	case !known:
		return &ui.ExitError{Code: exitUnknown}
	case !yes:
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// repeat keeps showing the status: in place on a terminal, otherwise one after another.
func (opt *statusOptions) repeat(ctx context.Context, p *probe.Prober, widen bool, view *statusView) error {
	if opt.every <= 0 {
		return fmt.Errorf("--every: invalid value %v; use a positive time, such as 1s", opt.every)
	}
	out := opt.streams
	inPlace := out.OutTTY && view.format == ui.Text
	if inPlace {
		if _, err := io.WriteString(out.Out, out.Control("H")+out.Control("J")); err != nil {
			return err
		}
	}
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	last := -1
	w := &probe.Watch{Prober: p, Widen: widen, Every: opt.every, Patience: opt.timeout, Seen: func(s *probe.Survey, round int) {
		var err error
		switch {
		case inPlace:
			out.Measure()
			lines := strings.ReplaceAll(view.text(s), "\n", out.Control("K")+"\n")
			_, err = io.WriteString(out.Out, out.Control("H")+lines+out.Control("J"))
		case round > last:
			err = view.print(s)
		}
		if last = round; err != nil {
			cancel(err)
		}
	}}
	if err := w.Run(within); within.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return context.Cause(within)
}

// statusView prints surveys, also with rates.
type statusView struct {
	streams *ui.Streams
	format  ui.Format
	rates   bool
}

// statusJSON is the object that -o json prints.
type statusJSON struct {
	probe.Verdict
	ConfigVersion answer.Opt[answer.Hex] `json:"configVersion"`
	Writes        answer.Opt[float64]    `json:"writesPerSecond,omitzero"`
	Notes         []string               `json:"notes,omitempty"`
	Members       []*probe.Reading       `json:"members"`
}

func (v *statusView) print(s *probe.Survey) error {
	if v.format == ui.JSON {
		out := statusJSON{Verdict: s.Judge(), Notes: s.Notes, Members: s.Readings}
		if s.Config != nil {
			out.ConfigVersion = answer.Some(answer.Hex(s.Config.Version()))
		}
		out.Writes = s.Writes
		return ui.PrintJSON(v.streams.Out, out)
	}
	_, err := io.WriteString(v.streams.Out, v.text(s))
	return err
}

func count[T int64 | float64](n answer.Opt[T]) string {
	return n.Text(func(v T) string { return strconv.FormatInt(int64(v), 10) })
}

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// millis formats a time in ms, briefly.
func millis(f answer.Opt[float64]) string {
	v, ok := f.Get()
	switch {
	case !ok:
		return answer.Unknown
	case v >= 10 || v == 0:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// head returns the names of the columns.
func (v *statusView) head() []string {
	head := []string{"ID", "ADDRESS", "ROLE", "ZXID", "LAG", "EPOCH", "CONNS", "SESSIONS", "OUTST", "LATENCY", "VERSION", "UPTIME", "DOOR"}
	if v.rates {
		head = slices.Insert(head, 6, "REQ/S")
	}
	return head
}

func (v *statusView) text(s *probe.Survey) string {
	verdict := s.Judge()
	right := []string{"ID", "LAG", "EPOCH", "CONNS", "SESSIONS", "OUTST", "LATENCY", "UPTIME", "REQ/S"}
	rows := [][]string{v.head()}
	for _, r := range s.Readings {
		rows = append(rows, v.row(r))
	}
	if v.streams.OutTTY {
		rows = ui.FitTable(rows, v.streams.Width, "EPOCH", "VERSION", "SESSIONS", "UPTIME", "DOOR", "OUTST", "LATENCY", "ZXID", "CONNS", "REQ/S", "LAG")
	}
	table := ui.Table(rows, right...) + "\n"
	out := &strings.Builder{}
	fmt.Fprintln(out, v.paint(verdict))
	if rate, ok := s.Writes.Get(); ok {
		fmt.Fprintf(out, "%s writes a second\n", millis(answer.Some(rate)))
	}
	for _, problem := range verdict.Problems {
		fmt.Fprintln(out, escape.Line(problem))
	}
	for _, note := range append(slices.Clone(s.Notes), closed(s)...) {
		fmt.Fprintln(out, escape.Line(note))
	}
	return table + v.streams.Fold(out.String())
}

func (v *statusView) paint(verdict probe.Verdict) string {
	text := escape.Line(verdict.Sentence)
	switch ok, known := verdict.Quorum.Get(); {
	case !known:
		return v.streams.Paint(text, color.FgYellow)
	case !ok:
		return v.streams.Paint(text, color.FgRed)
	case verdict.Tolerates.Or(0) == 0:
		return v.streams.Paint(text, color.FgYellow)
	}
	return v.streams.Paint(text, color.FgGreen)
}

func (v *statusView) row(r *probe.Reading) []string {
	address := r.Name()
	if r.Guessed {
		address += " (guessed)"
	}
	if len(r.Addresses) == 0 {
		address = answer.Unknown
	}
	role := r.Mode
	switch {
	case r.State != probe.Serving:
		role = string(r.State)
	case role == "":
		role = answer.Unknown
	}
	role = escape.Line(role)
	switch {
	case r.ReadOnly(), r.State == probe.NotServing:
		role = v.streams.Paint(role, color.FgYellow)
	case r.State != probe.Serving:
		role = v.streams.Paint(role, color.FgRed)
	case r.Mode == "leader":
		role = v.streams.Paint(role, color.FgGreen)
	}
	row := []string{count(r.ID), escape.Line(address), role}
	if r.State != probe.Serving && r.State != probe.NotServing {
		return append(row, slices.Repeat([]string{""}, len(v.head())-len(row))...)
	}
	zxid := answer.Unknown
	if z, ok := r.Zxid.Get(); ok {
		zxid = z.String()
	}
	row = append(row, zxid, count(r.Lag), count(r.Epoch()))
	if v.rates {
		row = append(row, millis(r.Requests))
	}
	version := r.Release()
	if version == "" {
		version = answer.Unknown
	}
	latency := answer.Unknown
	if r.Latency.Avg.Known() {
		latency = millis(r.Latency.Avg) + "/" + millis(r.Latency.Max)
	}
	return append(row, count(r.Connections), count(r.Sessions), count(r.Outstanding), latency, escape.Line(version), probe.Lasting(r.Uptime), r.DoorText())
}

// closed returns a note on the settings that would open closed doors, if something is unknown because of them.
func closed(s *probe.Survey) (notes []string) {
	var shut, failed []string
	var ports []string // where no AdminServer runs
	for _, r := range s.Readings {
		i := slices.IndexFunc(r.Tried, func(a probe.Attempt) bool { return a.Door == probe.Words && errors.Is(a.Err, probe.ErrNotWhitelisted) })
		if r.State != probe.Serving || r.Metrics != nil || i < 0 {
			continue
		}
		shut = append(shut, r.Name())
		for _, a := range r.Tried {
			switch {
			case a.Door != probe.Admin:
			case !probe.Shut(a.Err):
				failed = append(failed, fmt.Sprintf("; AdminServer of %s on port %d: %v", r.Name(), r.AdminPort, a.Err))
			default:
				ports = append(ports, strconv.Itoa(r.AdminPort))
			}
		}
	}
	if len(shut) == 0 {
		return nil
	}
	text := "? is unknown: only srvr is open at " + strings.Join(shut, ", ")
	if len(ports) > 0 {
		slices.Sort(ports)
		text += ", and no AdminServer of theirs answers at port " + strings.Join(slices.Compact(ports), ", ")
	}
	return []string{text + strings.Join(failed, "") + "; 4lw.commands.whitelist=mntr,conf in zoo.cfg, or --admin-port, shows the rest"}
}
