package commands

import (
	"github.com/zkctl/zkctl/internal/command"
)

var dryRun = command.NewFlag("dry-run", "print what would be changed, and change nothing")

// listDeletions lists the znodes that a dry run would delete.
func listDeletions(env *command.Env, paths []string) error {
	out := newLines(env)
	for _, path := range paths {
		if out.json {
			_ = out.object(jsonPath(path)) // Flush returns the error
			continue
		}
		_ = out.name(path, '\n')
	}
	env.Note("%s would be deleted", command.Counted(len(paths), "znode"))
	return out.Flush()
}
