package logs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// Live is what the members of an ensemble say of a session now.
type Live struct {
	Found   bool
	Partial bool // a member did not list its sessions, so one that is not found may be there
	State   string
	Timeout int64 // ms, 0 if unknown
}

// Members asks an ensemble. Both functions may be nil.
type Members struct {
	AddFlags func(*cobra.Command)
	// Session asks for a session; Owner for the session that owns a znode, 0 if none does.
	Session func(ctx context.Context, id int64) (Live, error)
	Owner   func(ctx context.Context, path string) (int64, error)
	// Complete completes session ids.
	Complete cobra.CompletionFunc
}

type traceOptions struct {
	reading
	id      int64  // 0 if it is to be found by path
	word    string // that id was given as
	path    string
	around  time.Duration
	live    bool
	members Members
}

// NewTraceCommand is session trace.
func NewTraceCommand(s *ui.Streams, members Members) *cobra.Command {
	o := &traceOptions{reading: reading{streams: s}, members: members}
	c := &cobra.Command{
		Use:   "trace SESSION SOURCE...",
		Short: "find how a session ended, and why",
		Long: `Find how a session ended, and why, from what servers and clients left behind: their
logs, transaction logs (a data directory, or its files), audit logs, and with --live
the members. Print one timeline, with clocks compared, and a verdict with the lines
that support it. If the sources cannot settle it, the verdict is "unknown" and says
what would. With --path and without SESSION, the session that made the znode is traced.

The more sources, the better: the leader's log shows that a session expired, the
transaction log whether somebody closed it, and the client's log why it fell silent.`,
		Example: `  zkctl session trace 0xff902365d9b70e63 zk1.log zk2.log zk3.log app.log
  zkctl session trace 0x10000221ceb0000 logs /var/lib/zookeeper/version-2
  zkctl session trace --path /app/leader /var/lib/zookeeper logs
  zkctl -server zk1 session trace 0x10000221ceb0000 --live`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 && o.path == "" && members.Complete != nil && !strings.ContainsAny(word, "./") {
				return members.Complete(c, args, word)
			}
			return takesFiles(c, args, word)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				id, err := command.ParseSessionID(args[0])
				if err == nil && id == 0 {
					err = command.InvalidSessionID(args[0])
				}
				switch {
				case err == nil:
					o.id, o.word, args = id, args[0], args[1:]
				case o.path == "":
					return err
				}
			}
			o.args = args
			switch {
			case o.id == 0 && o.path == "":
				return usageError(c, "missing session id")
			case o.path != "" && !strings.HasPrefix(o.path, "/"):
				return fmt.Errorf("--path: invalid znode path %q; it must start with /", o.path)
			case len(args) == 0 && !o.live:
				return usageError(c, "missing source: a log, a data directory, or --live")
			case o.around < 0:
				return fmt.Errorf("--around: invalid value %v; use a positive time, such as 5m", o.around)
			}
			if err := o.check(time.Now()); err != nil {
				return err
			}
			return runTrace(c.Context(), o)
		},
	}
	fs := c.Flags()
	fs.StringVar(&o.path, "path", "", "trace the session that made this ephemeral `znode`")
	command.ZnodeFlag(c, "path")
	fs.DurationVar(&o.around, "around", 5*time.Minute, "show what else happened within this `time` of the end")
	completeValues(c, "around")
	o.addMergeFlags(c)
	if members.Session != nil {
		fs.BoolVar(&o.live, "live", false, "also ask the members of the ensemble")
		members.AddFlags(c)
	}
	return c
}

// runTrace finds the session if only a znode is given, reads the sources, asks the members, and prints the verdict. A member
// that does not answer and a source that cannot be read are reported; what the others tell is printed all the same.
func runTrace(ctx context.Context, o *traceOptions) error {
	src, err := o.findSources(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	t := &tracer{o: o, sources: src}
	if o.path != "" {
		if err := t.findLives(ctx); err != nil {
			return err
		}
		if o.id == 0 {
			if len(t.lives) == 0 {
				return o.end(fmt.Errorf("no source tells of an ephemeral znode %s; transaction logs and audit logs do", escape.Line(o.path)))
			}
			o.id = t.lives[len(t.lives)-1].session
		}
	}
	t.begin()
	if err := t.read(ctx); err != nil {
		return err
	}
	if o.live {
		live, err := o.members.Session(ctx, o.id)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			o.failed = true
			ui.Report(o.streams.Err, fmt.Errorf("--live: %w", err))
		} else {
			t.live = &live
		}
	}
	if !t.known() {
		return o.end(t.nobodyKnows())
	}
	if err := t.print(t.judge()); err != nil {
		return err
	}
	return o.end(nil)
}

// known reports whether anything tells of the session, or --path has found it.
func (t *tracer) known() bool {
	return t.live != nil && t.live.Found || t.txns.writes > 0 ||
		slices.ContainsFunc(t.moments, func(m *moment) bool { return m.own }) ||
		slices.ContainsFunc(t.lives, func(l life) bool { return l.session == t.o.id })
}

// nobodyKnows is the error if nothing tells of the session.
func (t *tracer) nobodyKnows() error {
	text := "no source tells of session " + t.hex
	switch {
	case t.liveGone():
		text += ", and no member has it now"
	case t.live != nil:
		text += "; members that tell their sessions do not have it, but some do not tell them"
	}
	if id, err := proto.ParseHex(t.o.word); err == nil && id != 0 && !strings.HasPrefix(strings.ToLower(t.o.word), "0x") {
		text += fmt.Sprintf("; %q was read as a decimal number: if it is hexadecimal, write 0x%s", t.o.word, t.o.word)
	}
	return errors.New(text)
}
