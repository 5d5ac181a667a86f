// Package logs is zkctl log: it reads text logs of ZooKeeper's servers and clients, and says what happened.
//
// The journey of a line: internal/format turns lines into events (time, member, level, class, text), and
// internal/catalogue finds which phrase a text is, with its fields. sources.go opens the files that the arguments name,
// dates.go asks how to read their dates, sourcefiles.go finds files that are rotated meanwhile, and copies; record.go
// writes an event as JSON. merged.go reads several logs in the order of time, after skew.go has compared their clocks;
// follow.go reads them as they are written. Then each verb has its own files: explain.go with similar.go; summary.go
// with parts.go, exceptions.go, shape.go and summaryprint.go; timeline.go; merge.go, which is also grep; elections.go
// with election.go and electionprint.go; sessions.go and sessionsprint.go. survey.go and moments.go collect the same
// for zkctl report.
//
// trace.go is session trace. tracesources.go opens its sources; tracer.go reads them, tracescan.go each line,
// traceaudit.go audit logs, tracetxn.go transactions; tracefacts.go sorts what they tell, traceverdict.go judges how
// the session ended, traceexpiry.go why it expired; traceprint.go prints.
package logs

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// Verb is log.
var Verb = command.Verb{
	Name: "log", Short: "read logs of servers and clients, and explain them", Group: command.Offline,
	New: func(env *command.Env) *cobra.Command { return newCommand(env.Streams) },
}

func newCommand(s *ui.Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "log COMMAND",
		Long: `Read the text logs of ZooKeeper servers and clients, and find out what happened.
Layouts, compression and rotated files are detected, and can be mixed: ZooKeeper 3.4
to 3.10, Kafka, Hadoop, HBase, JSON, the C client, kazoo, go-zookeeper, with or
without the prefixes that Docker, Kubernetes, journald and syslog add.`,
		Example: `  zkctl log explain 'Have smaller server identifier, so dropping the connection: (3, 1)'
  zkctl log summary /var/log/zookeeper
  journalctl -u zookeeper | zkctl log summary`,
	}
	return command.Parent(c, newExplainCommand(s), newSummaryCommand(s), newTimelineCommand(s), newMergeCommand(s), newGrepCommand(s), newElectionsCommand(s), newSessionsCommand(s))
}

// usageError describes what is wrong with a command line and shows the usage.
func usageError(c *cobra.Command, what string) error {
	return fmt.Errorf("%s; usage: %s (see %s --help)", what, c.UseLine(), c.CommandPath())
}

// completeValues makes an option complete to the values.
func completeValues(c *cobra.Command, name string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// addOutput adds -o.
func addOutput(c *cobra.Command, output *string) {
	c.Flags().StringVarP(output, "output", "o", string(ui.Text), "output `format`: text or json")
	completeValues(c, "output", string(ui.Text), string(ui.JSON))
}
