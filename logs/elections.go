package logs

import (
	"bufio"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
)

type electionsOptions struct {
	reading
}

func newElectionsCommand(s *ui.Streams) *cobra.Command {
	o := &electionsOptions{reading: reading{streams: s}}
	c := &cobra.Command{
		Use:               "elections FILE|DIR...",
		ValidArgsFunction: takesFiles,
		Short:             "reconstruct elections from servers' logs",
		Long: `Reconstruct elections from members' logs, the more the better: what started each,
who looked for a leader, how they voted, who won and why, how long it took until
there was a quorum, how each learner was brought up to date, how long clients had no
service, who stayed out and why, and who left later.`,
		Example: `  zkctl log elections zk1.log zk2.log zk3.log
  zkctl log elections --since 1d -o json /var/log/zookeeper | jq '{leader, epoch, noService}'`,
		RunE: func(c *cobra.Command, args []string) error {
			o.args = args
			if len(args) == 0 && s.InTTY {
				return usageError(c, "missing log file or folder")
			}
			if err := o.check(time.Now()); err != nil {
				return err
			}
			return runElections(c.Context(), o)
		},
	}
	o.addMergeFlags(c)
	return c
}

func runElections(ctx context.Context, o *electionsOptions) error {
	all, err := o.prepare(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(o.streams.Out)
	p := &electionPrinter{o: o, out: out}
	x := newElector(p.print)
	err = o.eachKnown(ctx, all, func(h *head, m *catalogue.Match) error {
		if h.source.member == "" || !o.wanted(h.event) || !h.event.Timed {
			return nil
		}
		return x.see(h.event.Time-h.source.correction(), h.source.member, h.event, m)
	})
	if err == nil {
		err = x.finish()
	}
	if err == nil && p.n == 0 && !o.json() {
		_, _ = out.WriteString("no election in these logs\n")
	}
	return o.end(errors.Join(err, out.Flush()))
}

// eachKnown calls visit with each event that is a known phrase, of all logs in the order of time.
func (r *reading) eachKnown(ctx context.Context, all []*source, visit func(*head, *catalogue.Match) error) error {
	in, err := newMerged(ctx, all)
	if err != nil {
		return err
	}
	defer in.close()
	return in.each(ctx, func(h *head, m *catalogue.Match) error {
		if m == nil {
			return nil
		}
		return visit(h, m)
	})
}
