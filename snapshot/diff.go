package snapshot

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/treediff"
)

func newDiffCommand(env *command.Env) *cobra.Command {
	path, format, values := "", "", false
	c := &cobra.Command{
		Use:               "diff OLD NEW",
		ValidArgsFunction: command.Takes(command.File, 0, 1),
		Short:             "list the znodes that differ between two snapshots",
		Annotations:       treediff.Exits.Predicate(),
		Long: `List the znodes that only NEW has (+), that only OLD has (-), and that differ
(~), with old and new values of data, ACL and stat. The command diff compares
any two locations in the same way.`,
		Example: `  zkctl snapshot diff snapshot.36 snapshot.71
  zkctl snapshot diff --values --path /config snapshot.36 snapshot.71
  zkctl snapshot diff -o json snapshot.36 snapshot.71 | jq -r 'select(.change=="removed").path'`,
		Args: argCount(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			output, err := parseFormat(format)
			if err != nil {
				return err
			}
			part, err := newScope(path, -1)
			if err != nil {
				return err
			}
			opt := treediff.Options{Fields: treediff.Fields, Lines: textdiff.Context, Output: output, Absent: true}
			if values {
				opt.Fields = []string{treediff.Data, treediff.ACL}
			}
			at := func(file string) string {
				return source.FilePrefix + source.EncodeFile(file) + ":/" + strings.TrimPrefix(part.path, "/")
			}
			return treediff.Run(c.Context(), env, at(args[0]), at(args[1]), opt)
		},
	}
	c.Flags().StringVar(&path, "path", "", "only the znode at `path` and those below it")
	c.Flags().BoolVar(&values, "values", false, "compare only data and ACLs, not zxids, times, versions and owners")
	formatFlag(c, &format, "one object per difference")
	return c
}
