package ensemble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
)

// Tree asks the AdminServers of an ensemble, one after the other, for their whole tree, for commands of other rooms. The first
// that sends it is passed to take, with the zxid that the member had when it began.
func Tree(ctx context.Context, cfg client.Config, adminPorts string, take func(zxid int64, snapshot io.Reader) error) error {
	opt := asker(cfg)
	opt.admin = cmp.Or(adminPorts, opt.admin)
	p, _, err := opt.prober()
	if err != nil {
		return err
	}
	members, err := p.Members()
	if err != nil {
		return err
	}
	if len(cfg.Auth) == 0 {
		return fmt.Errorf("snapshot: %w", probe.ErrIdentity)
	}
	ctx, cancel := context.WithTimeout(ctx, streamTime)
	defer cancel()
	var answers []*adminAnswer
	for _, m := range members {
		reply, err := p.RawAdmin(ctx, &m, probe.Request{Command: "snapshot", Query: url.Values{"streaming": {"true"}}, Auth: true})
		if err == nil && reply.Stream == nil {
			if _, err = answer.ParseAdmin(reply.Body); err == nil || errors.Is(err, answer.ErrNotUnderstood) {
				err = errors.New("it sends no tree, which AdminServers do since 3.9")
			}
		}
		if err != nil {
			answers = append(answers, &adminAnswer{member: m, err: probe.Reason(err)})
			continue
		}
		defer reply.Stream.Close()
		zxid, err := strconv.ParseInt(reply.Header.Get("last_zxid"), 0, 64)
		if err != nil {
			return fmt.Errorf("AdminServer of %s: it sends no zxid with its tree: %w", m.Name(), probe.ErrForeign)
		}
		return take(zxid, reply.Stream)
	}
	return adminFailure(answers)
}
