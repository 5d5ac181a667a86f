package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
)

type mergeOptions struct {
	reading
	bare    bool // without names
	pattern *regexp.Regexp
	ignore  bool
	invert  bool
	count   bool
	phrases []string
}

func newMergeCommand(s *ui.Streams) *cobra.Command {
	o := &mergeOptions{reading: reading{streams: s}}
	c := &cobra.Command{
		Use:               "merge FILE|DIR...",
		ValidArgsFunction: takesFiles,
		Short:             "print the lines of several logs in order",
		Long: `Print the lines of several logs merged in time, unchanged, each after the name of
its log. Stack traces stay with their line. Clocks are compared as in timeline.`,
		Example: `  zkctl log merge zk1.log zk2.log zk3.log | less
  zkctl log merge --since 03:00 --until 03:10 /var/log/zookeeper`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			if len(args) == 0 && s.InTTY {
				return usageError(c, "missing log file or folder")
			}
			if err := o.check(time.Now()); err != nil {
				return err
			}
			return runMerge(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.bare, "no-name", false, "leave out the names of the logs")
	o.addFollow(c)
	o.addMergeFlags(c)
	return c
}

func newGrepCommand(s *ui.Streams) *cobra.Command {
	o := &mergeOptions{reading: reading{streams: s}}
	c := &cobra.Command{
		Use:               "grep RE FILE|DIR...",
		ValidArgsFunction: command.Takes(command.File, 1, -1),
		Short:             "print events that match, with their stack traces",
		Long: `Print events with a line that matches a regular expression (Go's syntax), merged in
time. All lines of an event are printed. An empty expression matches every event.`,
		Example: `  zkctl log grep 0xff902365d9b70e63 zk1.log zk2.log zk3.log app.log
  zkctl log grep -i 'read timed out' /var/log/zookeeper
  zkctl log grep '' --phrase fsync-slow -o json logs | jq .fields.ms`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(c, "missing regular expression")
			}
			expression := args[0]
			var fault *syntax.Error
			if _, err := regexp.Compile(expression); errors.As(err, &fault) {
				return fmt.Errorf("invalid regular expression %q: %s; to find the text itself, put \\ before special characters", expression, fault.Code)
			}
			if o.ignore {
				expression = "(?i)" + expression
			}
			var err error
			if o.pattern, err = regexp.Compile("(?m)" + expression); err != nil {
				return fmt.Errorf("regular expression: %w", err)
			}
			for _, name := range o.phrases {
				if catalogue.Load().Named(name) == nil {
					return fmt.Errorf("unknown phrase %q; zkctl log explain --list shows all", name)
				}
			}
			o.args = args[1:]
			if len(o.args) == 0 && s.InTTY {
				return usageError(c, "missing log file or folder")
			}
			if err := o.check(time.Now()); err != nil {
				return err
			}
			return runMerge(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.BoolVarP(&o.ignore, "ignore-case", "i", false, "ignore case")
	fs.BoolVarP(&o.invert, "invert", "v", false, "print events that do not match")
	fs.BoolVarP(&o.count, "count", "c", false, "print only how many match")
	fs.StringSliceVar(&o.phrases, "phrase", nil, "only events that are this phrase, by its `name`; repeatable")
	fs.BoolVar(&o.bare, "no-name", false, "leave out the names of the logs")
	o.addFollow(c)
	o.addMergeFlags(c)
	_ = c.RegisterFlagCompletionFunc("phrase", func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
		for _, p := range catalogue.Load().Phrases {
			names = append(names, p.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}

// matches reports whether grep prints an event; m is nil if it is no known phrase.
func (o *mergeOptions) matches(raw []byte, m *catalogue.Match) bool {
	if len(o.phrases) > 0 && (m == nil || !slices.Contains(o.phrases, m.Phrase.Name)) {
		return false
	}
	return o.pattern == nil || o.pattern.Match(raw) != o.invert
}

func runMerge(ctx context.Context, o *mergeOptions) error {
	p := &mergePrinter{o: o, out: bufio.NewWriterSize(o.streams.Out, 64<<10)}
	if o.follow {
		return o.followAll(ctx, func(h *head) error {
			p.named = !o.bare
			if err := p.show(h); err != nil {
				return err
			}
			return p.out.Flush()
		})
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
	if !o.json() && !o.count {
		for _, s := range all {
			if s.correction() != 0 {
				fmt.Fprintln(o.streams.Err, s.clockText())
			}
		}
	}
	p.named = len(all) > 1 && !o.bare
	for n := 1; ; n++ {
		h, err := in.next(ctx)
		if err == nil && n&0xfff == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return errors.Join(p.out.Flush(), err)
		}
		if h == nil {
			break
		}
		if err := p.show(h); err != nil {
			return err
		}
	}
	if o.count {
		fmt.Fprintln(p.out, p.found)
	}
	if err := p.out.Flush(); err != nil {
		return err
	}
	if o.pattern != nil && p.found == 0 && !o.failed {
		return &ui.ExitError{Code: ui.ExitFailed} // as grep does
	}
	return o.end(nil)
}

// mergePrinter prints events as they are in their logs.
type mergePrinter struct {
	o     *mergeOptions
	out   *bufio.Writer
	named bool
	found int
	buf   []byte
	match catalogue.Match
}

// show prints an event, if it is asked for.
func (p *mergePrinter) show(h *head) error {
	e := h.event
	if !p.o.wanted(e) {
		return nil
	}
	var match *catalogue.Match
	if (p.o.json() || len(p.o.phrases) > 0) && catalogue.Load().Match(e.Text, &p.match) {
		match = &p.match
	}
	if !p.o.matches(e.Raw, match) {
		return nil
	}
	p.found++
	switch {
	case p.o.count:
	case p.o.json():
		p.buf = append(appendRecord(p.buf[:0], h.source.file, h.source.member, e, match), '\n')
		_, err := p.out.Write(p.buf)
		return err
	default:
		for line := range bytes.Lines(e.Raw) {
			if p.named {
				_, _ = p.out.WriteString(escape.Line(h.source.label) + "| ")
			}
			_, _ = p.out.Write(bytes.TrimSuffix(line, []byte("\n")))
			if err := p.out.WriteByte('\n'); err != nil {
				return err
			}
		}
	}
	return nil
}
