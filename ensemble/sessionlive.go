package ensemble

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// SessionAsker asks the members of an ensemble about sessions, for commands of other rooms.
type SessionAsker struct {
	opt sessionOptions
	in  within
}

// SessionState is what the members say of a session.
type SessionState struct {
	Found   bool
	Partial bool // a member did not list its connections, so a session that is not found may be there
	State   string
	Timeout int64 // ms, 0 if unknown
}

// NewSessionAsker asks the ensemble of env.
func NewSessionAsker(env *command.Env) *SessionAsker {
	return &SessionAsker{opt: sessionOptions{asking: asking{streams: env.Streams, connect: connection(env)}}, in: inEnv(env)}
}

// AddFlags adds the options that say which members to ask, and how.
func (a *SessionAsker) AddFlags(c *cobra.Command) { a.opt.add(c) }

// Complete completes one session id.
func (a *SessionAsker) Complete(c *cobra.Command, words []string, word string) ([]string, cobra.ShellCompDirective) {
	return completeSessions(a.opt.connect, a.in, 1)(c, words, word)
}

// Session asks all members for a session.
func (a *SessionAsker) Session(ctx context.Context, id int64) (SessionState, error) {
	l, err := gather(ctx, &a.opt)
	if err != nil {
		return SessionState{}, err
	}
	state := SessionState{Partial: l.blind}
	s := l.find(answer.Hex(id))
	if s == nil {
		return state, nil
	}
	state.Found, state.State, state.Timeout = true, l.state(s).Or("state unknown"), s.Timeout.Or(0)
	return state, nil
}

// Owner asks for the session that owns an ephemeral znode; 0 means none.
func (a *SessionAsker) Owner(ctx context.Context, path string) (int64, error) {
	p, _, err := a.opt.prober()
	if err != nil {
		return 0, err
	}
	within, cancel := context.WithTimeout(ctx, a.opt.timeout)
	defer cancel()
	owners, errs, err := ephemeralOwners(within, p.Client, []string{path})
	if err != nil {
		return 0, err
	}
	if errs[0] != nil && owners[0] == 0 && !errors.Is(errs[0], proto.ErrNoNode) {
		return 0, errs[0]
	}
	return owners[0], nil
}
