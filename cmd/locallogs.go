package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) logsCommand() *cobra.Command {
	var opt local.LogOptions
	c := &cobra.Command{
		Use:   "logs [NAME [MEMBER]]",
		Short: "print a local server's log",
		Long: `Print the log of a local server, in ZooKeeper's own pattern. The members of an
ensemble share it, and with a MEMBER there is what it has logged. One that is
Apache ZooKeeper has a log of its own, as long as it lives.`,
		Args:              cobra.MaximumNArgs(2),
		ValidArgsFunction: l.completeMembers,
	}
	c.Flags().BoolVarP(&opt.Follow, "follow", "f", false, "go on printing what is logged, until Ctrl-C")
	c.Flags().IntVarP(&opt.Lines, "lines", "n", 0, "only the last `number` of lines; 0 is all")
	c.RunE = func(c *cobra.Command, words []string) error {
		s, err := l.home.Choose(words)
		if err != nil {
			return err
		}
		if len(words) > 1 {
			opt.Member = words[1]
		}
		return s.Logs(c.Context(), l.env.Streams.Out, opt)
	}
	return c
}
