package ensemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

type adminOptions struct {
	choosing
	command string
	args    url.Values
	in, out string
	raw     bool
	yes     bool
	output  string
}

func newAdminCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &adminOptions{choosing: choosing{asking: asking{streams: s, connect: connect}}}
	c := &cobra.Command{
		Use: "admin [COMMAND [KEY=VALUE...]]",
		Long: `Run an AdminServer command (admin.serverPort, 8080 by default) on each server of
-server and print the JSON reply. Replies of several servers get a heading each.
Without a command, list the commands that the servers offer. If a port does not
speak HTTP, HTTPS is tried with the certificates of the -tls options.

snapshot, restore and shed_connections (3.9) need an identity with all permissions
on /, given with -auth or -auth-file. It is sent only with these commands.`,
		Annotations: command.Exits{0: "all AdminServers answered", 1: "a command failed", 2: "no AdminServer runs at the port"}.Note(),
		Example: `  zkctl -server zk1 admin
  zkctl admin leader --admin-port 8081
  zkctl admin voting_view --all -o json
  zkctl -auth-file admin.auth admin snapshot --out snapshot.bin --members zk1:2181
  zkctl admin set_trace_mask traceMask=306 -y`,
		Args: func(_ *cobra.Command, words []string) error {
			for _, w := range words[min(1, len(words)):] {
				if !strings.Contains(w, "=") {
					return fmt.Errorf("unexpected argument %q; use KEY=VALUE", w)
				}
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, words []string, _ string) (list []string, _ cobra.ShellCompDirective) {
			if len(words) == 0 {
				for _, c := range answer.Commands {
					list = append(list, c.Name+"\t"+c.Short)
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, words []string) error {
			opt.args = url.Values{}
			if len(words) > 0 {
				opt.command = words[0]
				for _, w := range words[1:] {
					key, value, _ := strings.Cut(w, "=")
					opt.args.Add(key, value)
				}
			}
			return runAdmin(c.Context(), opt)
		},
	}
	opt.add(c)
	fs := c.Flags()
	fs.StringVar(&opt.out, "out", "", "write the snapshot to `file`")
	fs.StringVar(&opt.in, "in", "", "restore the snapshot in `file`")
	fs.BoolVar(&opt.raw, "raw", false, "print the answer's bytes, even if they are not JSON")
	fs.BoolVarP(&opt.yes, "yes", "y", false, "skip the confirmation prompt of a command that changes something")
	formatFlag(c, &opt.output, "one object")
	return c
}

// adminAnswer is one AdminServer's answer.
type adminAnswer struct {
	member  probe.Member
	body    []byte
	object  answer.Object
	parsed  bool
	written string // the file that a snapshot was written to
	err     error
}

func runAdmin(ctx context.Context, opt *adminOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	name := opt.command
	known := answer.CommandOf(name)
	if known != nil {
		name = known.Name
	}
	p, widen, err := opt.prober()
	if err != nil {
		return err
	}
	if slices.Contains(p.AdminPorts, 0) {
		return errors.New("--admin-port 0: there is no AdminServer to ask")
	}
	members, err := opt.chosen(ctx, p, widen)
	if err != nil {
		return err
	}
	r, err := opt.request(ctx, p, name, known, members)
	if err != nil {
		return err
	}
	answers := opt.ask(ctx, p, members, r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := opt.print(answers, format); err != nil {
		return err
	}
	return adminFailure(answers)
}

// request returns the request to send. If it changes something, it first asks for confirmation.
func (opt *adminOptions) request(ctx context.Context, p *probe.Prober, name string, known *answer.Command, members []probe.Member) (probe.Request, error) {
	r := probe.Request{Command: opt.command, Query: opt.args}
	if known != nil {
		r.Auth = known.Identity
		if r.Auth && len(p.Client.Auth) == 0 {
			return r, fmt.Errorf("%s: %w", name, probe.ErrIdentity)
		}
		if known.Changes {
			if err := confirm(ctx, opt.streams, opt.yes, guardOf(p, members), fmt.Sprintf("%s at %s", known.Short, memberNames(members))); err != nil {
				return r, err
			}
		}
	}
	if single := name == "snapshot" || name == "restore"; single && len(members) > 1 {
		return r, fmt.Errorf("%s needs a single member; choose it with --member or --members", name)
	}
	switch {
	case name == "restore" && opt.in == "":
		return r, errors.New("restore needs a snapshot: --in FILE")
	case name == "restore":
		f, err := os.Open(opt.in)
		if err != nil {
			return r, err
		}
		r.Body = f // closed by the request
	case opt.in != "":
		return r, errors.New("--in is only for restore")
	case opt.out != "" && name != "snapshot":
		return r, errors.New("--out is only for snapshot; redirect the output of other commands")
	case name == "snapshot" && opt.out == "" && opt.streams.OutTTY:
		return r, errors.New("snapshot needs a file: use --out FILE, or redirect the output")
	}
	return r, nil
}

// streamTime is how long a snapshot may take.
const streamTime = time.Hour

func (opt *adminOptions) ask(ctx context.Context, p *probe.Prober, members []probe.Member, r probe.Request) []*adminAnswer {
	timeout := opt.timeout
	if r.Auth {
		timeout = streamTime
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers := make([]*adminAnswer, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		a := &adminAnswer{member: m}
		answers[i] = a
		wg.Go(func() {
			var reply *probe.AdminReply
			if reply, a.err = p.RawAdmin(ctx, &m, r); a.err == nil {
				a.err = opt.take(a, reply)
			}
			if a.err != nil {
				a.err = probe.Reason(a.err)
			}
		})
	}
	wg.Wait()
	return answers
}

// take reads an answer. A snapshot goes to its file, or to the output.
func (opt *adminOptions) take(a *adminAnswer, reply *probe.AdminReply) error {
	if reply.Stream != nil {
		defer reply.Stream.Close()
		if opt.out == "" {
			_, err := io.Copy(opt.streams.Out, reply.Stream)
			return err
		}
		f, err := atomicfile.Create(opt.out)
		if err != nil {
			return err
		}
		defer f.Abandon()
		if _, err := io.Copy(f, reply.Stream); err != nil {
			return err
		}
		a.written = opt.out
		return f.Commit()
	}
	a.body = reply.Body
	if opt.command == "" {
		if len(answer.CommandsOf(a.body)) == 0 {
			return probe.ErrForeign
		}
		return nil
	}
	var err error
	a.object, err = answer.ParseAdmin(a.body)
	a.parsed = err == nil
	if errors.Is(err, answer.ErrNotUnderstood) {
		if opt.raw {
			return nil
		}
		return probe.ErrForeign
	}
	return err
}

func (opt *adminOptions) print(answers []*adminAnswer, format ui.Format) error {
	s := opt.streams
	if format == ui.JSON {
		return opt.printJSON(answers)
	}
	for i, a := range answers {
		var text string
		switch {
		case opt.command == "" && a.err == nil:
			text = commandTable(answer.CommandsOf(a.body), s.Width)
		case a.written != "":
			text = fmt.Sprintf("The snapshot of %s is in %s.\n", s.Name(a.member.Name()), s.Name(a.written))
		default:
			text = string(a.body)
		}
		if len(answers) > 1 {
			head := heading(s, &a.member)
			if i > 0 {
				head = "\n" + head
			}
			text = head + text
		}
		if text != "" && !strings.HasSuffix(text, "\n") && !opt.raw {
			text += "\n"
		}
		if _, err := io.WriteString(s.Out, text); err != nil {
			return err
		}
	}
	return nil
}

func commandTable(names []string, width int) string {
	var rows [][2]string
	for _, name := range names {
		short := ""
		if c := answer.CommandOf(name); c != nil && c.Name == name {
			short = c.Short
		}
		rows = append(rows, [2]string{name, short})
	}
	var b strings.Builder
	command.Columns(&b, rows, width)
	return b.String()
}

func (opt *adminOptions) printJSON(answers []*adminAnswer) error {
	type one struct {
		ID      answer.Opt[int64] `json:"id"`
		Address string            `json:"address"`
		Answer  any               `json:"answer"`
		File    string            `json:"file,omitempty"`
		Error   string            `json:"error,omitempty"`
	}
	list := []one{}
	for _, a := range answers {
		o := one{ID: a.member.ID, Address: a.member.Name(), File: a.written}
		switch {
		case a.err != nil:
			o.Error = a.err.Error()
		case opt.command == "":
			o.Answer = answer.CommandsOf(a.body)
		case a.parsed:
			o.Answer = a.object
		}
		list = append(list, o)
	}
	return ui.PrintJSON(opt.streams.Out, struct {
		Command string `json:"command"`
		Members []one  `json:"members"`
	}{opt.command, list})
}

// adminFailure returns an error that lists the AdminServers that did not answer, and what would make the closed ones answer, or
// nil.
func adminFailure(answers []*adminAnswer) error {
	var failures []string
	shut := true
	for _, a := range answers {
		if a.err != nil {
			failures = append(failures, fmt.Sprintf("AdminServer of %s on port %d: %v", a.member.Name(), a.member.AdminPort, a.err))
			shut = shut && probe.Shut(a.err)
		}
	}
	switch {
	case failures == nil:
		return nil
	case shut:
		failures = append(failures, "admin.enableServer=true in zoo.cfg starts it (3.5 and later); --admin-port names another port than admin.serverPort's default")
		return &ui.ExitError{Code: exitUnknown, Err: errors.New(strings.Join(failures, "\n"))}
	}
	return &ui.ExitError{Code: ui.ExitFailed, Err: errors.New(strings.Join(failures, "\n"))}
}
