package ensemble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// choosing are the options that choose members of an ensemble, by default the servers of -server.
type choosing struct {
	asking
	all    bool
	member string
}

func (a *choosing) add(c *cobra.Command) {
	a.asking.add(c)
	c.Flags().BoolVar(&a.all, "all", false, "ask every member that the ensemble's configuration lists")
	c.Flags().StringVar(&a.member, "member", "", "ask the members with these `ids`, separated by commas")
	_ = c.RegisterFlagCompletionFunc("member", command.Takes(command.MemberIDs, 0, -1))
}

// chosen returns the members to ask.
func (a *choosing) chosen(ctx context.Context, p *probe.Prober, widen bool) ([]probe.Member, error) {
	switch {
	case a.member != "" && (a.all || a.members != ""), a.all && a.members != "":
		return nil, errors.New("--all, --member and --members exclude each other; give one of them")
	case a.member == "" && !a.all:
		return p.Members()
	}
	var ids []int64
	if a.member != "" {
		for _, part := range strings.Split(a.member, ",") {
			id, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("--member: invalid id %q; use a number (--members takes addresses)", part)
			}
			ids = append(ids, id)
		}
	}
	s, err := survey(ctx, p, widen, a.timeout)
	if err != nil {
		return nil, err
	}
	var list []probe.Member
	var known []string
	for _, r := range s.Readings {
		id, ok := r.ID.Get()
		if ok {
			known = append(known, strconv.FormatInt(id, 10))
		}
		if ids == nil || ok && slices.Contains(ids, id) {
			list = append(list, r.Member)
		}
	}
	if len(list) < len(ids) {
		if known == nil {
			return nil, errors.New("--member: no member reported its id; --members takes addresses")
		}
		return nil, fmt.Errorf("--member %s: the ensemble has the members %s", a.member, strings.Join(known, ", "))
	}
	return list, nil
}

// guardOf is the guard of an ensemble, or of any of its members.
func guardOf(p *probe.Prober, members []probe.Member) client.Guard {
	list := make([]*probe.Member, len(members))
	for i := range members {
		list[i] = &members[i]
	}
	return p.Guard(list...)
}

// heading is the line above each answer if there are several members.
func heading(s *ui.Streams, m *probe.Member) string { return "==> " + s.Name(m.Name()) + " <==\n" }

// confirm asks for confirmation before a change of members, said in the imperative, unless yes is set. If they are guarded, their
// guard asks instead.
func confirm(ctx context.Context, s *ui.Streams, yes bool, g client.Guard, change string) error {
	switch {
	case g.Level != client.Unguarded:
		return g.Allow(ctx, change, true)
	case yes:
		return nil
	case !s.InTTY:
		return fmt.Errorf("this would %s; confirm it with -y", change)
	}
	ok, err := s.Ask(ctx, "This would "+change+". Go on?")
	if err == nil && !ok {
		err = errors.New("not confirmed; nothing was changed")
	}
	return err
}
