package commands

import (
	"context"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

// owners are the clients of the sessions that own znodes, as the members of the ensemble tell them.
type owners struct {
	sessions map[int64]string
	asked    bool
	unknown  error // why not all are known
}

func newOwners() *owners { return &owners{sessions: map[int64]string{}} }

func isSession(stat proto.Stat) bool {
	return proto.EphemeralTypeOf(stat.EphemeralOwner) == proto.EphemeralNormal
}

func (o *owners) add(stat proto.Stat) {
	if isSession(stat) {
		o.sessions[stat.EphemeralOwner] = ""
	}
}

// ownersTime is how long the members may take to answer.
const ownersTime = 3 * time.Second

// ask asks the members of a location's ensemble.
func (o *owners) ask(ctx context.Context, env *command.Env, l source.Location) {
	if len(o.sessions) == 0 || env.Session == nil || env.Session.Clients == nil {
		return
	}
	var cfg client.Config
	var err error
	switch l.Form {
	case source.Here:
		cfg, err = env.Session.Config()
	case source.Named:
		cfg, err = env.Session.ConfigOf(l.Name)
	case source.Servers:
		cfg = env.Session.PlainConfig(l.Servers)
	default:
		return
	}
	if err != nil {
		return // the walk has reported it
	}
	ctx, cancel := context.WithTimeout(ctx, ownersTime)
	defer cancel()
	clients, err := env.Session.Clients(ctx, cfg)
	o.asked, o.unknown = true, err
	for id := range o.sessions {
		o.sessions[id] = clients[id]
	}
}

// client is the client that owns a znode; "" if that is unknown.
func (o *owners) client(stat proto.Stat) string { return o.sessions[stat.EphemeralOwner] }

// note says why clients are unknown.
func (o *owners) note(env *command.Env) {
	if o.asked && o.unknown != nil {
		env.Note("clients are unknown: %v", o.unknown)
	}
}

func sessionText(stat proto.Stat) string {
	if isSession(stat) {
		return proto.Hex(stat.EphemeralOwner)
	}
	return "none"
}

// columns leaves out what a terminal has no room for.
func columns(s *ui.Streams, rows [][]string, dispensable ...string) [][]string {
	if s.OutTTY {
		return ui.FitTable(rows, s.Width, dispensable...)
	}
	return rows
}
