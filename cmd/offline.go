package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/verb"
	"github.com/zkctl/zkctl/logformatter"
	"github.com/zkctl/zkctl/snapshot"
)

// offlineGroup is what help calls the verbs that need no server.
const offlineGroup = "Offline"

// offlineVerbs are about files, not about a server.
var offlineVerbs = []verb.Constructor{logformatter.NewCommand, logformatter.NewLegacyCommand, snapshot.NewCommand}

// addOfflineVerbs adds the verbs to the tree.
func (a *app) addOfflineVerbs() {
	for _, construct := range offlineVerbs {
		a.addVerb(construct(a.streams), offlineGroup)
	}
}

// addVerb adds a verb with options of its own. -o and -y before a verb hold for it too.
func (a *app) addVerb(c *cobra.Command, group string) {
	c.Annotations = map[string]string{groupKey: group}
	verb.Share(c, func() map[string]string {
		shared := map[string]string{}
		for _, name := range []string{"output", "yes"} {
			if f := a.flags.Lookup(name); f.Changed {
				shared[name] = f.Value.String()
			}
		}
		return shared
	})
	verb.Suggest(c)
	a.interruptibly(c)
	a.root.AddCommand(c)
}

// interruptibly makes Ctrl-C cancel the context that c and its subcommands run with.
func (a *app) interruptibly(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, words []string) error {
			if a.options.Help {
				return c.Help()
			}
			return interruptible(c.Context(), func(ctx context.Context) error {
				c.SetContext(ctx)
				return verb.InFormat(c, command.Explain(ctx, run(c, words)))
			})
		}
	}
	for _, sub := range c.Commands() {
		a.interruptibly(sub)
	}
}

// isVerb tells whether c is one of the verbs that have options of their own.
func isVerb(c *cobra.Command) bool { return c.Annotations[groupKey] != "" }

// normalizeVerb writes the words of such a verb as cobra reads them.
func (a *app) normalizeVerb(words []string) []string {
	for _, c := range a.root.Commands() {
		if c.Name() == words[0] && isVerb(c) {
			return append(words[:1:1], verb.Normalize(c, words[1:])...)
		}
	}
	return words
}

// verbRoot is the verb that c is, or is a subcommand of.
func verbRoot(c *cobra.Command) *cobra.Command {
	for c.HasParent() && c.Parent().HasParent() {
		c = c.Parent()
	}
	return c
}
