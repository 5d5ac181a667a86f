package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

func newBackup(env *command.Env) *cobra.Command {
	c := &cobra.Command{
		Use: "backup COMMAND",
		Long: `Keep a folder of exports. Each is one compressed file, named after its time in UTC, that is
written whole or not at all. One whose znodes are the same as those of the one before takes
no room. Each is a location, too: file:DIR/ID.jsonl.zst.`,
		Example: `  zkctl backup create /backups prod:/ --every 1h --keep last=24,daily=7
  zkctl backup ls /backups
  zkctl backup restore /backups latest --data-dir /var/lib/zookeeper`,
	}
	return command.Parent(c, newBackupCreate(env), newBackupList(env), newBackupVerify(env), newBackupPrune(env), newBackupRestore(env))
}

type backingUp struct {
	exporting
	dir, location string
	every         time.Duration
	keep          string
	retention     retention
}

func newBackupCreate(env *command.Env) *cobra.Command {
	b := &backingUp{exporting: exporting{env: env}}
	c := &cobra.Command{
		Use:   "create DIR [LOCATION]",
		Short: "add a backup to a folder, once or again and again",
		Long: `Export the znode at a location, with everything below it, to a new file in a folder; without
a location, /. The options are those of export.

With --every, do so again and again until Ctrl-C; a backup that fails is reported, and the
next one is made in time. --keep then removes old backups after each new one.`,
		Example: `  zkctl -server zk1,zk2,zk3 backup create /backups
  zkctl backup create /backups prod:/ --every 1h --keep last=24,daily=7,weekly=5`,
		Args: command.ArgCount(1, 2),
		ValidArgsFunction: func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return command.Takes(command.File, 0, 0)(c, args, word)
			}
			return command.Takes(command.Location, 1, 1)(c, args, word)
		},
		RunE: func(c *cobra.Command, args []string) error {
			b.dir, b.location = args[0], "/"
			if len(args) > 1 {
				b.location = args[1]
			}
			return b.run(c.Context())
		},
	}
	fs := c.Flags()
	fs.DurationVar(&b.every, "every", 0, "make a backup every `interval`, such as 1h, until Ctrl-C")
	fs.StringVar(&b.keep, "keep", "", "after each, remove all but these `backups`: 24, or last=24,daily=7,weekly=5")
	b.add(c)
	return c
}

func (b *backingUp) run(ctx context.Context) (err error) {
	b.ephemerals = strings.TrimSpace(b.ephemerals)
	if err := b.check(); err != nil {
		return err
	}
	if b.every < 0 || b.every > 0 && b.every < time.Second {
		return fmt.Errorf("--every: %v is too short; use a second or more", b.every)
	}
	if b.keep != "" {
		if b.retention, err = parseRetention(b.keep); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	if b.every == 0 {
		return b.once(ctx)
	}
	next := time.Now()
	for {
		if err := b.once(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.env.Complain(b.env.Explain(ctx, err))
		}
		for next = next.Add(b.every); next.Before(time.Now()); next = next.Add(b.every) {
		}
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// once makes a backup and removes old ones.
func (b *backingUp) once(ctx context.Context) error {
	list, err := backups(b.dir)
	if err != nil {
		return err
	}
	id := time.Now().UTC().Format(idForm)
	for n, base := 2, id; slices.ContainsFunc(list, func(b backup) bool { return b.id == id }); n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	to, err := newStream(b.env.Streams, filepath.Join(b.dir, id+ending), export.Zstd)
	if err != nil {
		return err
	}
	defer to.abandon()
	if len(list) > 0 {
		to.like = list[len(list)-1].file
	}
	x, err := b.write(ctx, b.location, to)
	if interrupted := command.Stopped(ctx, err, "no backup was made"); interrupted != nil {
		return interrupted
	}
	if err != nil {
		return err
	}
	same := ""
	if to.linked {
		same = ", the same as before"
	}
	b.env.Note("backup %s: %s with %s of data%s%s", id, command.Counted(int(x.written), "znode"), ui.Bytes(x.bytes), x.moment(), same)
	if err := x.verdict(); err != nil {
		return err // and old ones stay
	}
	if b.retention == nil {
		return nil
	}
	_, err = prune(b.env, b.dir, b.retention, false)
	return err
}

// prune removes the backups that are not to be kept.
func prune(env *command.Env, dir string, r retention, dry bool) (removed []backup, err error) {
	list, err := backups(dir)
	if err != nil {
		return nil, err
	}
	var moments []time.Time
	for _, b := range list {
		moments = append(moments, b.when.Local())
	}
	for i, keep := range r.keeps(moments) {
		if keep {
			continue
		}
		if !dry {
			if err := os.Remove(list[i].file); err != nil {
				return removed, err
			}
		}
		removed = append(removed, list[i])
	}
	return removed, nil
}

func newBackupList(env *command.Env) *cobra.Command {
	output := ""
	c := &cobra.Command{
		Use:   "ls DIR",
		Short: "list the backups in a folder",
		Example: `  zkctl backup ls /backups
  zkctl backup ls /backups -o json`,
		Args:              command.ArgCount(1, 1),
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		RunE: func(_ *cobra.Command, args []string) error {
			format, err := ui.ParseFormat(output)
			if err != nil {
				return err
			}
			return listBackups(env, args[0], format)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", string(ui.Text), "text or json: one object a backup")
	return c
}

// backupJSON is a backup in a list.
type backupJSON struct {
	ID         string `json:"id"`
	File       string `json:"file"`
	Time       int64  `json:"time"`
	Size       int64  `json:"size"`
	Same       bool   `json:"sameAsBefore"`
	Source     string `json:"source,omitempty"`
	Root       string `json:"root,omitempty"`
	Zxid       string `json:"zxid,omitempty"`
	Consistent bool   `json:"consistent"`
	Error      string `json:"error,omitempty"`
}

func listBackups(env *command.Env, dir string, format ui.Format) error {
	list, err := backups(dir)
	if err != nil {
		return err
	}
	rows := [][]string{{"id", "time", "size", "zxid", "state", "from"}}
	for i, b := range list {
		j := backupJSON{ID: b.id, File: b.file, Time: b.when.UnixMilli(), Size: b.info.Size(),
			Same: i > 0 && os.SameFile(b.info, list[i-1].info)}
		r, err := export.Open(b.file)
		state := "consistent"
		if err != nil {
			j.Error, state = err.Error(), "damaged"
		} else {
			h := r.Header()
			j.Source, j.Root, j.Zxid, j.Consistent = h.Source, h.Root, proto.Hex(h.End), h.Consistent
			_ = r.Close() // it was only read
			if !h.Consistent {
				state = "inconsistent"
			}
		}
		size := ui.Bytes(j.Size)
		if j.Same {
			size = "as before"
		}
		if format == ui.JSON {
			if err := ui.PrintJSON(env.Streams.Out, j); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{b.id, b.when.Local().Format(time.DateTime), size, j.Zxid, state, escape.Line(j.Source)})
	}
	if format == ui.JSON {
		return nil
	}
	if len(list) == 0 {
		env.Note("no backups in %s", env.Streams.Name(dir))
		return nil
	}
	_, err = io.WriteString(env.Streams.Out, ui.Table(ui.FitTable(rows, env.Streams.Width, "from", "zxid"), "size"))
	return err
}

func newBackupVerify(env *command.Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "verify DIR [ID...]",
		Short: "read every byte of backups and check them",
		Long: `Read backups, by default all in the folder, and check each line, the order of the znodes and
the checksum. The exit code is 1 if one is damaged.`,
		Example: `  zkctl backup verify /backups
  zkctl backup verify /backups latest`,
		Args:              command.ArgCount(1, -1),
		ValidArgsFunction: folderAndIDs(-1),
		RunE: func(c *cobra.Command, args []string) error {
			return verifyBackups(c.Context(), env, args[0], args[1:])
		},
	}
	return c
}

func verifyBackups(ctx context.Context, env *command.Env, dir string, ids []string) error {
	var list []backup
	for _, id := range ids {
		b, err := find(dir, id)
		if err != nil {
			return err
		}
		list = append(list, b)
	}
	if len(ids) == 0 {
		var err error
		if list, err = backups(dir); err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("no backup in %q", dir)
		}
	}
	bad := 0
	for _, b := range list {
		t, err := verifyBackup(ctx, b.file)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			bad++
			env.Complain(err)
			continue
		}
		if _, err := fmt.Fprintf(env.Streams.Out, "%s: sound, %s with %s of data\n", b.id, command.Counted(int(t.Znodes), "znode"), ui.Bytes(t.Bytes)); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %s damaged", bad, were(len(list), "backup"))
	}
	return nil
}

func verifyBackup(ctx context.Context, file string) (t export.Trailer, err error) {
	r, err := export.Open(file)
	if err != nil {
		return t, err
	}
	defer r.Close()
	for n := 0; ; n++ {
		if n&0x3ff == 0 && ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return t, err
		}
	}
	if t = r.Trailer(); t.SHA256 == "" {
		return t, fmt.Errorf("%s: the checksum was removed", file)
	}
	return t, nil
}

func newBackupPrune(env *command.Env) *cobra.Command {
	keep, dry, yes := "", false, false
	c := &cobra.Command{
		Use:   "prune DIR --keep BACKUPS",
		Short: "remove old backups",
		Long: `Remove the backups in a folder that --keep does not name: a number of the last ones, or also
the last one of each of so many hours, days, weeks, months or years, in local time. The newest
backup always stays; if it is damaged, all stay.`,
		Example: `  zkctl backup prune /backups --keep 48
  zkctl backup prune /backups --keep last=24,daily=7,weekly=5,monthly=12 --dry-run`,
		Args:              command.ArgCount(1, 1),
		ValidArgsFunction: command.Takes(command.File, 0, 0),
		RunE: func(c *cobra.Command, args []string) error {
			env := *env
			env.Yes = env.Yes || yes
			return runPrune(c.Context(), &env, args[0], keep, dry)
		},
	}
	fs := c.Flags()
	fs.StringVar(&keep, "keep", "", "the `backups` that stay: 24, or last=24,daily=7,weekly=5,monthly=12,yearly=2")
	fs.BoolVar(&dry, "dry-run", false, "only print what would be removed")
	fs.BoolVarP(&yes, "yes", "y", false, "skip the confirmation prompt")
	return c
}

func runPrune(ctx context.Context, env *command.Env, dir, keep string, dry bool) error {
	if keep == "" {
		return errors.New("--keep is missing; such as --keep last=24,daily=7")
	}
	r, err := parseRetention(keep)
	if err != nil {
		return err
	}
	list, err := prune(env, dir, r, true)
	if err != nil || len(list) == 0 {
		if err == nil {
			env.Note("nothing to remove")
		}
		return err
	}
	newest, err := find(dir, latest)
	if err != nil {
		return err
	}
	if _, err := verifyBackup(ctx, newest.file); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		return fmt.Errorf("the newest backup is damaged, and older ones may be needed, so nothing was removed; to go on, delete the newest: %w", err)
	}
	if !dry {
		if err := env.Confirm(ctx, fmt.Sprintf("Remove %s from %s?", command.Counted(len(list), "backup"), env.Streams.Name(dir)), "nothing was removed"); err != nil {
			return err
		}
		if list, err = prune(env, dir, r, false); err != nil {
			return err
		}
	}
	for _, b := range list {
		if _, err := fmt.Fprintln(env.Streams.Out, b.id); err != nil {
			return err
		}
	}
	if dry {
		env.Note("%s would be removed", command.Counted(len(list), "backup"))
	} else {
		env.Note("removed %s", command.Counted(len(list), "backup"))
	}
	return nil
}

func newBackupRestore(env *command.Env) *cobra.Command {
	dir := ""
	w := &writing{env: env}
	c := &cobra.Command{
		Use:   "restore DIR ID [LOCATION]",
		Short: "restore a backup, live or as a data directory",
		Long: `Copy a backup to a live ensemble, as cp does with the same options, or with --data-dir write a
data directory that a server starts from, with zxids, versions, times and counters as they
were. ID is one that backup ls lists, the beginning of one, or latest. All members of an
ensemble start from copies of the same directory, each with its own myid.

A backup is a location, so that cp brings back a part of it: file:DIR/ID.jsonl.zst:/path.`,
		Example: `  zkctl backup restore /backups latest --data-dir /var/lib/zookeeper
  zkctl backup restore /backups 20261122T03 prod:/app --on-conflict overwrite --dry-run`,
		Args: command.ArgCount(2, 3),
		ValidArgsFunction: func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 2 {
				return command.Takes(command.Location, 2, 2)(c, args, word)
			}
			return folderAndIDs(1)(c, args, word)
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch live := len(args) == 3; {
			case live == (dir != ""):
				return errors.New("name either the LOCATION of a live tree, or a new data directory with --data-dir")
			case !live:
				var other *pflag.Flag
				c.Flags().Visit(func(f *pflag.Flag) {
					if f.Name != "data-dir" && f.Name != "yes" {
						other = f
					}
				})
				if other != nil {
					return fmt.Errorf("--%s is for a live tree; --data-dir always writes all of the backup, as it was", other.Name)
				}
				return restoreDir(c.Context(), env, args[0], args[1], dir)
			}
			b, err := find(args[0], args[1])
			if err != nil {
				return err
			}
			sum, err := verifyBackup(c.Context(), b.file)
			if err != nil {
				return fmt.Errorf("%w; nothing was written", err)
			}
			w.znodes = int(sum.Znodes)
			return w.copy(c.Context(), source.FilePrefix+source.EncodeFile(b.file), args[2], false)
		},
	}
	w.add(c)
	c.Flags().StringVar(&dir, "data-dir", "", "write the data directory to this new `folder`")
	return c
}

// restoreDir writes a data directory.
func restoreDir(ctx context.Context, env *command.Env, dir, id, to string) error {
	b, err := find(dir, id)
	if err != nil {
		return err
	}
	entries, absent := os.ReadDir(to)
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; name a new folder, and move it in place of the old one while the server is down", env.Streams.Name(to))
	}
	version := filepath.Join(to, "version-2")
	if err := os.MkdirAll(version, 0o700); err != nil {
		return err
	}
	e := &exporting{env: env, out: version, format: snapshot, ephemerals: skipEphemerals, settle: settleTime, inconsistent: true}
	if err := e.run(ctx, source.FilePrefix+source.EncodeFile(b.file)); err != nil {
		_ = os.Remove(version) // fails if something is in it
		if absent != nil {
			_ = os.Remove(to)
		}
		return err
	}
	return nil
}
