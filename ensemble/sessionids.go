package ensemble

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
)

// completeSessions completes session ids; most is how many the command takes, -1 for any number.
func completeSessions(connect Connect, in within, most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(words) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return knownSessionIDs(connect, in), cobra.ShellCompDirectiveNoFileComp
	}
}

// sessionCache are the ids that completion knows, by connect string.
var sessionCache struct {
	sync.Mutex
	known map[string]*knownSessions
}

type knownSessions struct {
	list     []string // "0x…\tclient"
	due      time.Time
	fetching chan struct{} // closed when the list is there; nil if nothing is under way
}

const (
	sessionsFresh   = 10 * time.Second       // how long ids are offered before they are asked for again
	completionTime  = time.Second            // for a command line's completion, which ends with its process
	completionBrief = 100 * time.Millisecond // for the shell's, which has them at the next key
)

// knownSessionIDs are the sessions that completion offers. In the shell it does not wait for slow members.
func knownSessionIDs(connect Connect, in within) []string {
	opt := &sessionOptions{asking: asking{connect: connect, admin: strconv.Itoa(probe.DefaultAdminPort), timeout: completionTime}}
	p, widen, err := opt.prober()
	if err != nil {
		return nil
	}
	sessionCache.Lock()
	if sessionCache.known == nil {
		sessionCache.known = map[string]*knownSessions{}
	}
	k := sessionCache.known[p.Client.Servers]
	if k == nil {
		k = &knownSessions{}
		sessionCache.known[p.Client.Servers] = k
	}
	done := k.fetching
	if done == nil && time.Now().After(k.due) {
		done = make(chan struct{})
		k.fetching = done
		go func() {
			defer close(done)
			list, err := connectedSessions(p, widen)
			sessionCache.Lock()
			defer sessionCache.Unlock()
			k.fetching, k.due = nil, time.Now().Add(sessionsFresh)
			if err != nil {
				return
			}
			k.list = list
		}()
	}
	sessionCache.Unlock()
	if done != nil {
		wait := 2 * completionTime
		if in.shell {
			wait = completionBrief
		}
		select {
		case <-done:
		case <-time.After(wait):
		}
	}
	sessionCache.Lock()
	defer sessionCache.Unlock()
	return k.list
}

// connectedSessions asks the members for their connections: for each session its id, a tab, and its client.
func connectedSessions(p *probe.Prober, widen bool) (list []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	s, err := p.Survey(ctx, widen)
	if err != nil {
		return nil, err
	}
	found := make([][]*answer.Connection, len(s.Readings))
	var wg sync.WaitGroup
	for i, r := range s.Readings {
		if r.State == probe.Serving {
			m := r.Member
			wg.Go(func() { found[i], _ = answerOf[[]*answer.Connection](ctx, p, &m, "cons") })
		}
	}
	wg.Wait()
	for _, conns := range found {
		for _, c := range conns {
			if id, ok := c.Session.Get(); ok {
				list = append(list, id.String()+"\t"+c.Address)
			}
		}
	}
	slices.Sort(list)
	return list, nil
}
