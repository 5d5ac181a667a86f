package ensemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

type verifyOptions struct {
	asking
	deep   string
	output string
}

func newVerifyCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &verifyOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:         "verify",
		Short:       "check that all members have the same data",
		Annotations: command.Exits{0: "all members agree", 1: "they differ", 2: "that is unknown"}.Predicate(),
		Long: `Compare the digests of the members' trees. Members (3.6 and later) keep a digest
for every 128 zxids in memory and report them through the word hash or the
AdminServer; verify compares those at zxids that all members have.

--deep instead reads a subtree through every member, after a sync, and compares
czxid, mzxid, data and ACL of each znode.`,
		Example: `  zkctl -server zk1 ensemble verify
  zkctl -server zk1 ensemble verify --deep /app
  zkctl ensemble verify --members zk1:2181,zk2:2181 -o json`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("deep") {
				if err := client.ValidatePath(opt.deep); err != nil {
					return fmt.Errorf("--deep: %w", err)
				}
			}
			return runVerify(c.Context(), opt)
		},
	}
	opt.add(c)
	c.Flags().StringVar(&opt.deep, "deep", "", "read the subtree at `path` through every member")
	command.ZnodeFlag(c, "deep")
	formatFlag(c, &opt.output, "one object")
	return c
}

// agreement is the result of comparing members.
type agreement struct {
	Agree   answer.Opt[bool] `json:"agree"`
	Text    string           `json:"text"`
	Members []string         `json:"members"` // that were compared
	// For digests:
	Common answer.Opt[int64]      `json:"commonDigests,omitzero"`
	Last   answer.Opt[answer.Hex] `json:"lastCommonZxid,omitzero"`
	After  answer.Opt[answer.Hex] `json:"differAfter,omitzero"` // they still were the same at this zxid
	UpTo   answer.Opt[answer.Hex] `json:"differUpTo,omitzero"`  // they differ from this zxid on
	Sides  [][]string             `json:"sides,omitempty"`      // members that agree with each other
	// For a subtree:
	Znodes answer.Opt[int64] `json:"znodes,omitzero"`
	Differ []difference      `json:"differences,omitempty"`
	Unread []string          `json:"unread,omitempty"` // could not be read through some member

	Left []string `json:"notCompared,omitempty"` // members, with the reasons
}

func runVerify(ctx context.Context, opt *verifyOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	root := opt.deep
	if _, chroot, err := client.ParseServers(p.Client.Servers); err == nil && chroot != "" {
		root = strings.TrimSuffix(chroot+root, "/")
	}
	s, err := survey(ctx, p, widen, opt.timeout)
	if err != nil {
		return err
	}
	a := &agreement{Members: []string{}}
	strangers := 0
	var members []*probe.Reading
	for _, r := range s.Readings {
		switch {
		case r.State != probe.Serving:
			a.leave(r, fmt.Errorf("it is %s", r.State))
		case r.Stranger && widen: // those that were named are compared, whatever they are
			a.leave(r, errors.New("it is not part of the ensemble"))
			strangers++
		default:
			members = append(members, r)
		}
	}
	switch {
	case len(members) < 2:
		a.Text = "there are no two members to compare"
	case opt.deep != "":
		err = a.compareTrees(ctx, root, p, members)
	default:
		a.compareDigests(ctx, opt, p, members)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if len(a.Left) > strangers && a.Agree.Or(false) {
		a.Agree = answer.Opt[bool]{}
		a.Text += ", but not all members were compared"
	}
	for _, r := range members {
		if r.Stranger {
			a.Text += "; " + r.Name() + " is not part of the ensemble"
		}
	}
	if format == ui.JSON {
		err = ui.PrintJSON(opt.streams.Out, a)
	} else {
		_, err = io.WriteString(opt.streams.Out, a.text(opt.streams))
	}
	if err != nil {
		return err
	}
	return exitOf(a.Agree)
}

func (a *agreement) leave(r *probe.Reading, why error) {
	a.Left = append(a.Left, fmt.Sprintf("%s: %v", r.Name(), why))
}

// digestInterval is the number of zxids between two digests that a member keeps
// (DataTree.DIGEST_LOG_INTERVAL).
const digestInterval = 128

// compareDigests compares the trees at the zxids for which all members have digests.
func (a *agreement) compareDigests(ctx context.Context, opt *verifyOptions, p *probe.Prober, members []*probe.Reading) {
	ctx, cancel := context.WithTimeout(ctx, opt.timeout)
	defer cancel()
	type told struct {
		digests map[answer.Hex]answer.Hex
		err     error
	}
	results := make([]told, len(members))
	done := make(chan struct{}, len(members))
	for i, r := range members {
		go func() {
			list, err := answerOf[[]*answer.Digest](ctx, p, &r.Member, "hash")
			results[i].err = err
			results[i].digests = map[answer.Hex]answer.Hex{}
			for _, d := range list {
				results[i].digests[d.Zxid] = d.Digest
			}
			done <- struct{}{}
		}()
	}
	for range members {
		<-done
	}
	var names []string
	var digests []map[answer.Hex]answer.Hex
	releases := map[string]bool{}
	last := answer.Hex(0)
	for i, r := range members {
		switch {
		case results[i].err != nil:
			a.leave(r, results[i].err)
			continue
		case len(results[i].digests) == 0 && keepsNoDigests(r.Release()): // to it the word is unknown, and it closes the connection
			a.leave(r, fmt.Errorf("it runs %s, and members keep digests since 3.6", r.Release()))
			continue
		}
		names, digests = append(names, r.Name()), append(digests, results[i].digests)
		releases[r.Release()] = true
		last = max(last, r.Zxid.Or(0))
	}
	a.Members = append(a.Members, names...)
	if len(names) < 2 {
		a.Text = "fewer than two members tell their digests: put hash into 4lw.commands.whitelist, name the AdminServers' ports with " +
			"--admin-port, or compare the znodes with --deep PATH"
		return
	}
	a.judgeDigests(names, digests, last)
	if !a.Agree.Or(true) && len(releases) > 1 {
		a.Text += "; they run different releases, which may compute digests differently"
	}
}

// keepsNoDigests reports whether a release is older than the digests (ZOOKEEPER-3114).
func keepsNoDigests(release string) bool {
	return strings.HasPrefix(release, "3.4.") || strings.HasPrefix(release, "3.5.")
}

// judgeDigests compares digests by zxid. last is the newest zxid of a member.
func (a *agreement) judgeDigests(names []string, digests []map[answer.Hex]answer.Hex, last answer.Hex) {
	var common []answer.Hex
	for zxid := range digests[0] {
		if !slices.ContainsFunc(digests[1:], func(m map[answer.Hex]answer.Hex) bool { _, ok := m[zxid]; return !ok }) {
			common = append(common, zxid)
		}
	}
	slices.Sort(common)
	a.Common = answer.Some(int64(len(common)))
	if len(common) == 0 {
		a.Text = fmt.Sprintf("the members have no digest of a common zxid: the next is due in %s; --deep PATH compares the znodes now",
			command.Counted(int(digestInterval-int64(last)%digestInterval), "transaction"))
		return
	}
	a.Last = answer.Some(common[len(common)-1])
	for i, zxid := range common {
		sides := map[answer.Hex][]string{}
		var order []answer.Hex
		for j, m := range digests {
			if sides[m[zxid]] == nil {
				order = append(order, m[zxid])
			}
			sides[m[zxid]] = append(sides[m[zxid]], names[j])
		}
		if len(sides) == 1 {
			continue
		}
		a.Agree, a.UpTo = answer.Some(false), answer.Some(zxid)
		since := fmt.Sprintf("at zxid %v or before", zxid)
		if i > 0 {
			a.After = answer.Some(common[i-1])
			since = fmt.Sprintf("between the zxids %v and %v", common[i-1], zxid)
		}
		slices.SortStableFunc(order, func(x, y answer.Hex) int { return len(sides[y]) - len(sides[x]) })
		for _, digest := range order {
			a.Sides = append(a.Sides, sides[digest])
		}
		a.Text = "the members' trees became different " + since
		return
	}
	a.Agree = answer.Some(true)
	a.Text = fmt.Sprintf("%d members agree at %s, the last one %v", len(names), command.Counted(len(common), "common zxid"), common[len(common)-1])
}

func (a *agreement) text(s *ui.Streams) string {
	out := &strings.Builder{}
	text := escape.Line(a.Text)
	switch agree, known := a.Agree.Get(); {
	case !known:
		text = "unknown: " + s.Paint(text, color.FgYellow)
	case agree:
		text = s.Paint(text, color.FgGreen)
	default:
		text = s.Paint(text, color.FgRed)
	}
	fmt.Fprintln(out, text)
	for _, side := range a.Sides {
		fmt.Fprintf(out, "  the same at %s\n", escape.Line(strings.Join(side, ", ")))
	}
	if a.Sides != nil {
		fmt.Fprintln(out, "Check the logs where the fewer are: zkctl txnlog verify DATADIR replays them and compares the digests.")
	}
	const most = 100
	for i, d := range a.Differ {
		if i == most {
			fmt.Fprintf(out, "and %d more; -o json lists all\n", len(a.Differ)-most)
			break
		}
		fmt.Fprintf(out, "%s: %s\n", escape.Line(d.Path), escape.Line(d.What))
	}
	for i, u := range a.Unread {
		if i == most {
			fmt.Fprintf(out, "and %d more could not be read\n", len(a.Unread)-most)
			break
		}
		fmt.Fprintf(out, "not read: %s\n", escape.Line(u))
	}
	for _, left := range a.Left {
		fmt.Fprintf(out, "not compared: %s\n", escape.Line(left))
	}
	return s.Fold(out.String())
}

// deepTime limits the reading of a subtree through one member.
const deepTime = time.Hour
