package cmd

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/local"
)

func (l *localVerb) logsCommand() *cobra.Command {
	var opt local.LogOptions
	c := &cobra.Command{
		Use:   "logs [NAME [MEMBER]]",
		Short: "print the log of a local server",
		Long: `Print the log of a local server, in ZooKeeper's own pattern. The members of an
ensemble share a log; with MEMBER, print only that member's lines. A member that
is an Apache ZooKeeper process has its own log, which exists while it runs.`,
		Example: `  zkctl local logs dev
  zkctl local logs -f -n 20 dev
  zkctl local logs dev 2 | grep WARN`,
		Args:              command.ArgCount(0, 2),
		ValidArgsFunction: l.completeMembers,
	}
	c.Flags().BoolVarP(&opt.Follow, "follow", "f", false, "keep printing new lines until Ctrl-C")
	c.Flags().IntVarP(&opt.Lines, "lines", "n", 0, "print only the last `number` of lines; 0 means all")
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
