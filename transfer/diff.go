package transfer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/treediff"
	"github.com/zkctl/zkctl/internal/ui"
)

type diffing struct {
	env    *command.Env
	fields []string
	brief  bool
	lines  int
	rate   int
	system bool
	output string
}

func newDiff(env *command.Env) *cobra.Command {
	d := &diffing{env: env}
	c := &cobra.Command{
		Use: "diff A B",
		Long: `Compare the znodes at two locations, with everything below them: print those that only
B has (+), that only A has (-), and that differ (~), with the lines of data that changed.
JSON is compared by its structure, compressed data by what is inside.

Locations may be of any form: live trees, exports, snapshots, data directories at a
moment. Both are read at the same time, in order, and neither is held in memory. Paths
are those below A and B.

Fields are data, acl, kind (with the TTL), owner (the session of an ephemeral znode),
sequence (the number of the next sequential child) and stat (zxids, times, versions).
Servers do not tell containers and TTL znodes from persistent ones, so these kinds are
only compared between files. If one side is an export without ephemeral znodes, those
of the other side are left out. /zookeeper is left out without --system.`,
		Example: `  zkctl diff prod:/app staging:/app
  zkctl diff --brief file:/var/lib/zookeeper@1h:/app /app
  zkctl diff file:app.jsonl /app --fields data,acl,sequence -o json`,
		Annotations:       treediff.Exits.Predicate(),
		Args:              command.ArgCount(2, 2),
		ValidArgsFunction: command.Takes(command.Location, 0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return d.run(c.Context(), args[0], args[1])
		},
	}
	fs := c.Flags()
	fs.StringSliceVar(&d.fields, "fields", []string{treediff.Data, treediff.ACL, treediff.Kind}, "compare these `fields`: "+strings.Join(treediff.Fields, ", "))
	_ = c.RegisterFlagCompletionFunc("fields", cobra.FixedCompletions(treediff.Fields, cobra.ShellCompDirectiveNoFileComp))
	fs.BoolVar(&d.brief, "brief", false, "only name the znodes")
	fs.IntVarP(&d.lines, "unified", "U", textdiff.Context, "show `N` equal lines around each change")
	fs.IntVar(&d.rate, "rate", 0, "make at most `N` requests a second to each side; 0 for no limit")
	fs.BoolVar(&d.system, "system", false, "also the quotas in /zookeeper")
	fs.StringVarP(&d.output, "output", "o", string(ui.Text), "text or json: one object a difference")
	return c
}

func (d *diffing) check() (opt treediff.Options, err error) {
	opt = treediff.Options{Fields: d.fields, Brief: d.brief, Lines: d.lines, Rate: d.rate,
		Leave: func(src *source.Source, path string) bool { return isSystem(src, path, d.system) }}
	opt.Output, err = ui.ParseFormat(d.output)
	switch {
	case err != nil:
		return opt, err
	case d.lines < 0:
		return opt, fmt.Errorf("-U: %d is not a number of lines", d.lines)
	case d.rate < 0:
		return opt, fmt.Errorf("--rate: %d is not a number of requests a second; use 0 for no limit", d.rate)
	}
	for _, field := range d.fields {
		if !slices.Contains(treediff.Fields, field) {
			return opt, fmt.Errorf("--fields: unknown field %q; use %s", field, strings.Join(treediff.Fields, ", "))
		}
	}
	return opt, nil
}

func (d *diffing) run(ctx context.Context, a, b string) error {
	opt, err := d.check()
	if err != nil {
		return err
	}
	bar := newProgress(d.env, "compared")
	defer bar.done()
	opt.Progress = bar.set
	return treediff.Run(ctx, d.env, a, b, opt)
}
