// Package transfer moves data: it copies a tree to a live ensemble, from wherever a location says.
//
//	transfer.go   the verbs
//	cp.go         cp
//	mv.go         mv
//	progress.go   how far a run is
//	writing.go    what the verbs that write a tree share: options, questions, the report
package transfer

import (
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
)

// Verbs are what this room does.
var Verbs = []command.Verb{
	{
		Name: "cp", Short: "copy a tree to a live ensemble", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newCopy(env) },
	}, {
		Name: "mv", Short: "move a tree, also to another ensemble", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newMove(env) },
	},
}
