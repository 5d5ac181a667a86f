package ensemble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

type sessionOptions struct {
	asking
	words  []string
	sample time.Duration // between two looks at the connections
	output string
}

// sampleTime is the time between two samples unless --sample says otherwise.
const sampleTime = time.Second

func (opt *sessionOptions) addSample(c *cobra.Command) {
	c.Flags().DurationVar(&opt.sample, "sample", sampleTime, "look at the connections again after this `time`, for IDLE and REQ/S; 0 for one look")
}

func newSessionCommand(s *ui.Streams, connect Connect, in within) *cobra.Command {
	c := &cobra.Command{
		Use: "session COMMAND",
		Long: `Show who is connected to an ensemble. Each member lists its own connections (the
word cons, or the AdminServer); dump gives ephemeral znodes and expiry, wchc gives
watches.`,
		Example: `  zkctl -server zk1 session ls
  zkctl session owner /app/leader
  zkctl session decode 0x10000221ceb0000`,
	}
	return command.Parent(c, newSessionList(s, connect), newSessionShow(s, connect, in), newSessionOwner(s, connect, in), newSessionDecode(s, connect, in))
}

func newSessionList(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &sessionOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:         "ls",
		Short:       "list the sessions of all members",
		Annotations: command.Exits{0: "the list is complete", 1: "no member could be asked", 2: "a member did not list its connections"}.Note(),
		Long: `List the sessions of all members with client, member, timeout, age, ephemeral
znodes, watches, packets received and outstanding requests. The members are asked
twice: IDLE is the time since the client was heard from, "+" if it may be longer,
and REQ/S the packets a second between the two answers, pings included. A session
that is on no member is "disconnected"; it expires at the time shown, if the leader
tells it, unless its client reconnects.`,
		Example: `  zkctl -server zk1 session ls
  zkctl session ls --sample 5s
  zkctl session ls -o json | jq -r '.sessions[] | select(.ephemerals > 0).client'`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runSessionList(c.Context(), opt) },
	}
	opt.add(c)
	opt.addSample(c)
	formatFlag(c, &opt.output, "one object")
	return c
}

func newSessionShow(s *ui.Streams, connect Connect, in within) *cobra.Command {
	opt := &sessionOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:   "show SESSION",
		Short: "show everything known about a session",
		Long: `Show everything known about a session: its connection, ephemeral znodes and watched
paths, and when it expires if its client stays silent, which only the leader knows.`,
		Example: `  zkctl session show 0x10000221ceb0000
  zkctl session show 0x10000221ceb0000 -o json`,
		Args:              command.ArgCount(1, 1),
		ValidArgsFunction: completeSessions(connect, in, 1),
		RunE: func(c *cobra.Command, words []string) error {
			opt.words = words
			return runSessionShow(c.Context(), opt)
		},
	}
	opt.add(c)
	opt.addSample(c)
	formatFlag(c, &opt.output, "one object")
	return c
}

func newSessionOwner(s *ui.Streams, connect Connect, in within) *cobra.Command {
	opt := &sessionOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:   "owner PATH...",
		Short: "show which client owns an ephemeral znode",
		Long: `Show which session owns an ephemeral znode, its client's address, and the member
that the client is connected to.`,
		Example: `  zkctl -server zk1 session owner /app/leader
  zkctl session owner /locks/a /locks/b -o json`,
		Args:              command.ArgCount(1, -1),
		ValidArgsFunction: command.Takes(command.Path, 0, -1),
		RunE: func(c *cobra.Command, words []string) error {
			for _, word := range words {
				path, err := command.Absolute(in.dir, word)
				if err != nil {
					return err
				}
				opt.words = append(opt.words, path)
			}
			return runSessionOwner(c.Context(), opt)
		},
	}
	opt.add(c)
	formatFlag(c, &opt.output, "one object")
	return c
}

func newSessionDecode(s *ui.Streams, connect Connect, in within) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "decode SESSION...",
		Short: "read a session id, offline",
		Long: `Decode a session id: the server that issued it, when that server's session tracker
started, and how many sessions it had issued before. No server is contacted.`,
		Example: `  zkctl session decode 0x10000221ceb0000
  zkctl session decode 72057740551979008 -o json`,
		Args:              command.ArgCount(1, -1),
		ValidArgsFunction: completeSessions(connect, in, -1),
	}
	formatFlag(c, &output, "an object for each")
	c.RunE = func(_ *cobra.Command, words []string) error {
		format, err := ui.ParseFormat(output)
		if err != nil {
			return err
		}
		for i, word := range words {
			id, err := command.ParseSessionID(word)
			if err != nil {
				return err
			}
			if format == ui.JSON {
				err = ui.PrintJSON(s.Out, decode(id))
			} else {
				text := decode(id).text()
				if i > 0 {
					text = "\n" + text
				}
				_, err = io.WriteString(s.Out, text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// sessionJSON is a session in JSON. Times are in ms.
type sessionJSON struct {
	Session    answer.Hex           `json:"session"`
	State      answer.Opt[string]   `json:"state"`
	Client     string               `json:"client,omitempty"`
	Member     string               `json:"member,omitempty"`
	MemberID   answer.Opt[int64]    `json:"memberId"`
	Timeout    answer.Opt[int64]    `json:"timeout"`
	Idle       answer.Opt[int64]    `json:"idleAtLeast"`
	IdleMost   answer.Opt[int64]    `json:"idleAtMost"`
	Rate       answer.Opt[float64]  `json:"requestsPerSecond"`
	Expires    answer.Opt[int64]    `json:"expires"`
	Ephemerals answer.Opt[int64]    `json:"ephemerals"`
	Watches    answer.Opt[int64]    `json:"watches"`
	Owned      answer.Opt[[]string] `json:"ephemeralPaths,omitzero"`
	Watched    answer.Opt[[]string] `json:"watchedPaths,omitzero"`
	Connection *answer.Connection   `json:"connection,omitempty"`
}

func (l *sessions) json(s *session, whole bool) sessionJSON {
	j := sessionJSON{Session: s.ID, State: l.state(s), Client: s.client(), Member: s.Member, MemberID: s.MemberID, Timeout: s.Timeout,
		Idle: s.Idle, IdleMost: s.IdleMost, Rate: s.Rate, Expires: s.Expires, Ephemerals: length(s.Ephemerals), Watches: length(s.Watches), Connection: s.Conn}
	if whole {
		j.Owned, j.Watched = s.Ephemerals, s.Watches
	}
	return j
}

func length(list answer.Opt[[]string]) answer.Opt[int64] {
	if l, ok := list.Get(); ok {
		return answer.Some(int64(len(l)))
	}
	return answer.Opt[int64]{}
}

func runSessionList(ctx context.Context, opt *sessionOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	l, err := gather(ctx, opt)
	if err != nil {
		return err
	}
	slices.SortStableFunc(l.list, func(a, b *session) int { return strings.Compare(a.client(), b.client()) })
	if format == ui.JSON {
		list := []sessionJSON{}
		for _, s := range l.list {
			list = append(list, l.json(s, false))
		}
		err = ui.PrintJSON(opt.streams.Out, struct {
			Sessions []sessionJSON `json:"sessions"`
			Unknown  []string      `json:"unknown,omitempty"`
		}{list, l.texts()})
	} else {
		err = l.printTable(opt.streams)
	}
	if err != nil {
		return err
	}
	return l.exit(opt.streams, format, l.blind)
}

// exit reports on stderr what is unknown, and is an error if that may be a part of the answer.
func (l *sessions) exit(s *ui.Streams, format ui.Format, partial bool) error {
	if format == ui.Text && l.shut != nil {
		for _, text := range l.texts() {
			fmt.Fprintln(s.Err, escape.Line(text))
		}
		if l.closed {
			fmt.Fprintln(s.Err, "4lw.commands.whitelist=cons,dump,wchc in zoo.cfg opens these words; --admin-port names the AdminServers' ports")
		}
	}
	if partial {
		return &ui.ExitError{Code: exitUnknown}
	}
	return nil
}

func (l *sessions) printTable(s *ui.Streams) error {
	rows := [][]string{{"SESSION", "CLIENT", "MEMBER", "TIMEOUT", "IDLE", "AGE", "EPHEMERALS", "WATCHES", "RECEIVED", "REQ/S", "QUEUED", "LAST"}}
	now := time.Now().UnixMilli()
	for _, one := range l.list {
		row := []string{one.ID.String(), l.state(one).Or(answer.Unknown), "", probe.Lasting(one.Timeout), "", "", count(length(one.Ephemerals)), "", "", "", "", ""}
		if at, ok := one.Expires.Get(); ok && l.state(one).Known() {
			row[1] += ", expires in " + probe.Lasting(answer.Some(max(0, at-now)))
		}
		if c := one.Conn; c != nil {
			age := answer.Opt[int64]{}
			if at, ok := c.Established.Get(); ok {
				age = answer.Some(max(0, now-at))
			}
			member := one.Member
			if id, ok := one.MemberID.Get(); ok {
				member = strconv.FormatInt(id, 10)
			}
			row = []string{one.ID.String(), escape.Line(c.Address), member, probe.Lasting(one.Timeout), one.idle(), probe.Lasting(age), count(length(one.Ephemerals)),
				count(length(one.Watches)), count(c.Received), millis(one.Rate), count(c.Queued), escape.Line(c.LastOp)}
		}
		rows = append(rows, row)
	}
	if s.OutTTY {
		rows = ui.FitTable(rows, s.Width, "LAST", "QUEUED", "TIMEOUT", "RECEIVED", "AGE", "REQ/S", "IDLE", "WATCHES", "EPHEMERALS")
	}
	_, err := io.WriteString(s.Out, ui.Table(rows, "MEMBER", "TIMEOUT", "IDLE", "AGE", "EPHEMERALS", "WATCHES", "RECEIVED", "REQ/S", "QUEUED"))
	return err
}

func runSessionShow(ctx context.Context, opt *sessionOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	id, err := command.ParseSessionID(opt.words[0])
	if err != nil {
		return err
	}
	l, err := gather(ctx, opt)
	if err != nil {
		return err
	}
	s := l.find(answer.Hex(id))
	switch {
	case s == nil && l.blind:
		_ = l.exit(opt.streams, format, true)
		return &ui.ExitError{Code: exitUnknown, Err: fmt.Errorf("no member that reports its connections has session %s", opt.words[0])}
	case s == nil:
		return fmt.Errorf("no session %s; zkctl session decode %s shows which server issued it", opt.words[0], opt.words[0])
	case format == ui.JSON:
		err = ui.PrintJSON(opt.streams.Out, struct {
			sessionJSON
			ID decoded `json:"id"`
		}{l.json(s, true), decode(id)})
	default:
		_, err = io.WriteString(opt.streams.Out, l.text(s))
	}
	if err != nil {
		return err
	}
	return l.exit(opt.streams, format, !l.state(s).Known())
}

// text returns everything known about a session.
func (l *sessions) text(s *session) string {
	out := &strings.Builder{}
	out.WriteString(decode(int64(s.ID)).text())
	line := func(name, format string, a ...any) {
		fmt.Fprintf(out, "%-10s%s\n", name, escape.Line(fmt.Sprintf(format, a...)))
	}
	line("state", "%s", l.state(s).Or(answer.Unknown))
	if c := s.Conn; c != nil {
		line("client", "%s", c.Address)
		line("member", "%s", s.Member)
		if at, ok := c.Established.Get(); ok {
			line("since", "%s", time.UnixMilli(at).Format(time.RFC3339))
		}
		line("packets", "%s received, %s sent, %s queued", count(c.Received), count(c.Sent), count(c.Queued))
		line("latency", "%s last, %s average, %s highest, in ms", millis(c.LastLatency), millis(c.AvgLatency), millis(c.MaxLatency))
		if c.LastOp != "" {
			zxid := answer.Unknown
			if z, ok := c.LastZxid.Get(); ok {
				zxid = z.String()
			}
			line("last", "%s, zxid %s", c.LastOp, zxid)
		}
		line("idle", "%s", s.idle())
		if rate, ok := s.Rate.Get(); ok {
			line("rate", "%s packets a second", millis(answer.Some(rate)))
		}
	}
	line("timeout", "%s", probe.Lasting(s.Timeout))
	if at, ok := s.Expires.Get(); ok {
		line("expires", "%s, unless its client is heard from", time.UnixMilli(at).Format(time.RFC3339))
	} else {
		line("expires", "unknown; the leader's word dump shows it")
	}
	paths := func(name string, list answer.Opt[[]string]) {
		all, known := list.Get()
		if !known {
			line(name, answer.Unknown)
			return
		}
		line(name, "%d", len(all))
		for _, path := range all {
			fmt.Fprintf(out, "  %s\n", escape.Line(path))
		}
	}
	paths("ephemeral", s.Ephemerals)
	paths("watches", s.Watches)
	return out.String()
}

// ownerJSON is a znode and its owner.
type ownerJSON struct {
	Path    string       `json:"path"`
	Session *sessionJSON `json:"session"` // null if it is not ephemeral
	Error   string       `json:"error,omitempty"`
}

func runSessionOwner(ctx context.Context, opt *sessionOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	owners, errs, err := ephemeralOwners(within, p.Client, opt.words)
	if err != nil {
		return err
	}
	l, err := gatherWith(ctx, opt, p, widen)
	if err != nil {
		return err
	}
	rows := [][]string{{"PATH", "SESSION", "CLIENT", "MEMBER"}}
	list := []ownerJSON{}
	var failures []string
	partial := false
	for i, path := range opt.words {
		o := ownerJSON{Path: path}
		row := []string{escape.Line(path), "", "", ""}
		id := answer.Hex(owners[i])
		switch {
		case errs[i] != nil:
			o.Error = errs[i].Error()
			failures = append(failures, o.Error)
			list = append(list, o)
			continue
		case id == 0:
			row[1] = "not ephemeral"
		default:
			s := l.find(id)
			if s == nil {
				s = &session{ID: id}
			}
			j := l.json(s, false)
			o.Session = &j
			partial = partial || !j.State.Known()
			where := s.client()
			if where == "" {
				where = l.state(s).Or(answer.Unknown)
			}
			row = []string{row[0], id.String(), escape.Line(where), s.Member}
		}
		rows, list = append(rows, row), append(list, o)
	}
	if format == ui.JSON {
		err = ui.PrintJSON(opt.streams.Out, struct {
			Znodes []ownerJSON `json:"znodes"`
		}{list})
	} else if len(rows) > 1 {
		_, err = io.WriteString(opt.streams.Out, ui.Table(rows))
	}
	if err != nil {
		return err
	}
	err = l.exit(opt.streams, format, partial)
	if failures != nil {
		return errors.Join(err, errors.New(strings.Join(failures, "\n")))
	}
	return err
}

// ephemeralOwners reads the owners of znodes, in one session; 0 means none. ctx must have a deadline.
func ephemeralOwners(ctx context.Context, cfg client.Config, paths []string) (owners []int64, errs []error, err error) {
	deadline, _ := ctx.Deadline()
	// A silent server costs its share of the session timeout.
	cfg.SessionTimeout = max(time.Millisecond, min(cmp.Or(cfg.SessionTimeout, client.DefaultSessionTimeout), time.Until(deadline)))
	conn, err := client.Open(cfg)
	if err != nil {
		return nil, nil, err
	}
	defer func() { go conn.Close() }() // which may wait for an attempt that is under way
	owners, errs = make([]int64, len(paths)), make([]error, len(paths))
	for i, path := range paths {
		stat, err := conn.Exists(ctx, path, false)
		owners[i], errs[i] = stat.EphemeralOwner, err
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("read %s: %w", path, probe.Reason(ctx.Err()))
		}
	}
	return owners, errs, nil
}
