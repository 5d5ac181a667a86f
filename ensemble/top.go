package ensemble

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/top"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

type topOptions struct {
	asking
	every  time.Duration
	log    string
	once   bool
	output string
}

func newTopCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &topOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use: "top",
		Long: `Watch an ensemble: writes and reads per second, the members and how busy they are,
elections, the clients that cause the load and, with --log, the znodes that are
written most. Press ? for the keys and q to quit.

If the output is not a terminal, or with --once, each sample is one line. Rates are
differences between two samples; "?" stands for what no member reported.`,
		Example: `  zkctl -server zk1 top
  zkctl top --members zk1:2181,zk2:2181,zk3:2181 --every 5s
  zkctl -server zk1 top --log /var/lib/zookeeper
  zkctl -server zk1 top --once -o json`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runTop(c.Context(), opt) },
	}
	opt.add(c)
	fs := c.Flags()
	fs.DurationVar(&opt.every, "every", time.Second, "`time` between two samples")
	fs.StringVar(&opt.log, "log", "", "show the most written znodes, from the transaction log in the data `folder` of a member on this machine")
	_ = c.MarkFlagDirname("log")
	fs.BoolVar(&opt.once, "once", false, "print one sample with rates and exit")
	formatFlag(c, &opt.output, "an object for each sample, on a line")
	return c
}

// shortest is the least time between two samples.
const shortest = 100 * time.Millisecond

func runTop(ctx context.Context, opt *topOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	if opt.every < shortest {
		return fmt.Errorf("--every: %v is less than %v", opt.every, shortest)
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	verdict, err := top.Run(ctx, top.Options{
		Streams: opt.streams, Prober: p, Widen: widen, Every: opt.every, Timeout: opt.timeout, Log: opt.log, Once: opt.once, JSON: format == ui.JSON,
	})
	if err != nil || !opt.once {
		return err
	}
	return exitOf(verdict.Quorum)
}
