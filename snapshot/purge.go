package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

type purgeOptions struct {
	streams *ui.Streams
	logDir  string
	snapDir string
	count   int
	counted bool
	dryRun  bool
	yes     bool
}

func newPurgeCommand(s *ui.Streams, run func(context.Context, *purgeOptions) error) *cobra.Command {
	opt := &purgeOptions{streams: s}
	c := &cobra.Command{
		Use:               "purge DIR [SNAPDIR] -n COUNT",
		ValidArgsFunction: command.Takes(command.File, 0, 1),
		Short:             "remove old snapshots and logs, as zkCleanup.sh does",
		Long: `Keep the newest COUNT snapshots (at least 3) and the logs needed to continue
from the oldest of them, and remove everything older, as Apache's PurgeTxnLog
(zkCleanup.sh) does. Only snapshots that are complete and have their checksum
are counted. SNAPDIR is the directory of the snapshots if it is not DIR.

On a terminal, purge lists the files and asks before removing them, unless -y
is given. A server may be running meanwhile.`,
		Example: `  zkctl snapshot purge /var/lib/zookeeper -n 3 --dry-run
  zkctl snapshot purge /var/lib/zookeeper -n 5 -y
  zkctl snapshot purge /data/zklog /data/zksnap -n 3`,
		Args: argCount(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			opt.logDir, opt.snapDir = args[0], args[len(args)-1]
			opt.counted = c.Flags().Changed("count")
			return run(c.Context(), opt)
		},
	}
	c.Flags().IntVarP(&opt.count, "count", "n", 0, "number of snapshots to keep, at least 3 (required)")
	c.Flags().BoolVar(&opt.dryRun, "dry-run", false, "only print the files that would be removed")
	c.Flags().BoolVarP(&opt.yes, "yes", "y", false, "do not ask for confirmation")
	return c
}

func runPurge(ctx context.Context, opt *purgeOptions) error {
	switch {
	case !opt.counted:
		return errors.New("missing -n COUNT, the number of snapshots to keep (at least 3)")
	case opt.count < storage.MinPurgeKeep:
		return errors.New("count should be greater than or equal to 3")
	}
	logs, err := storage.ReadDir(opt.logDir)
	if err != nil {
		return err
	}
	snaps := logs
	if opt.snapDir != opt.logDir {
		if snaps, err = storage.ReadDir(opt.snapDir); err != nil {
			return err
		}
	}
	plan, err := storage.PlanPurge(ctx, logs, snaps, opt.count)
	if err != nil {
		return err
	}
	for _, f := range plan.Damaged {
		fmt.Fprintf(opt.streams.Err, "not counted: %v\n", f)
	}
	if len(plan.Keep) == 0 {
		none := fmt.Errorf("%s holds no complete snapshot", snaps.Path)
		if len(snaps.Snapshots) == 0 {
			none = snaps.NoFiles("snapshot")
		}
		fmt.Fprintf(opt.streams.Err, "nothing removed: %v\n", none)
		return nil
	}
	old := plan.Old()
	if len(old) == 0 {
		fmt.Fprintf(opt.streams.Err, "nothing to remove: the oldest snapshot to keep is %s\n", plan.Keep[0].Path)
		return nil
	}
	if opt.dryRun {
		return opt.each(old, "Would remove file", func(string) error { return nil })
	}
	if opt.streams.InTTY && !opt.yes {
		if err := opt.each(old, "Would remove file", func(string) error { return nil }); err != nil {
			return err
		}
		yes, err := opt.streams.Ask(ctx, fmt.Sprintf("Remove %d files?", len(old)))
		if err != nil || !yes {
			return err
		}
	}
	return opt.each(old, "Removing file", os.Remove)
}

// each prints each file as PurgeTxnLog does, with its modification time, and calls do for it. It
// continues after errors.
func (opt *purgeOptions) each(files []storage.File, what string, do func(path string) error) error {
	failed := 0
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // someone else removed it
		}
		var changed time.Time
		if err == nil {
			changed = info.ModTime()
		}
		if _, err := fmt.Fprintf(opt.streams.Out, "%s: %s\t%s\n", what, changed.Local().Format("Jan 2, 2006, 3:04:05 PM"), f.Path); err != nil {
			return err
		}
		if err := do(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(opt.streams.Err, "Failed to remove %s: %v\n", f.Path, err)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d files could not be removed", failed, len(files))
	}
	return nil
}
