// Package transfer moves data: it writes trees to files, compares them, keeps backups, and copies trees to live ensembles, from
// wherever a location says.
//
//	transfer.go      the verbs
//	export.go        export
//	viaadmin.go      --via admin: the tree that an AdminServer sends, and the logs after it
//	filter.go        --include and --exclude
//	output.go        what an export is written to: a file, the output, a folder
//	snapshotfile.go  and a snapshot
//	diff.go          diff
//	backup.go        backup: a folder of exports
//	backups.go       which are there, and what they are called
//	keep.go          which of them to keep
//	cp.go            cp
//	import.go        import
//	mv.go            mv
//	ends.go          two ensembles, and whether they are the same
//	mirror.go        mirror: its options, what it refuses
//	mirrorloop.go    when what is done, and what ends it
//	mirrorcompare.go the first copy, and what is compared afterwards
//	mirrorpatch.go   what has changed, read and written
//	mirroranew.go    what was deleted and created again meanwhile
//	mirrorstate.go   what is remembered, and its file
//	twins.go         what is known of each znode, in order
//	pathsorter.go    paths that are to be read, in order
//	mirrorstatus.go  the status line and metrics
//	progress.go      how far a run is
//	writing.go       what the verbs that write a tree share: options, questions, the report
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
		Name: "import", Short: "write an export to a live ensemble", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newImport(env) },
	}, {
		Name: "mv", Short: "move a tree, also to another ensemble", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newMove(env) },
	}, {
		Name: "export", Short: "write a tree to a file, with all that is known about it", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newExport(env) },
	}, {
		Name: "diff", Short: "compare two trees, wherever they are", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newDiff(env) },
	}, {
		Name: "backup", Short: "keep a folder of exports: create, check, prune, restore", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newBackup(env) },
	}, {
		Name: "mirror", Short: "keep a tree like one on another ensemble", Group: command.Moving,
		New: func(env *command.Env) *cobra.Command { return newMirror(env) },
	},
}
