package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/apply"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/zpath"
)

type mirrorOptions struct {
	env      *command.Env
	once     bool
	state    string
	delete   bool
	verify   time.Duration
	rate     int
	force    bool
	metrics  string
	patience time.Duration // between attempts to connect; tests shorten it
}

// verifyEvery is the default of --verify-every.
const verifyEvery = 5 * time.Minute

func newMirror(env *command.Env) *cobra.Command {
	o := &mirrorOptions{env: env, patience: time.Second}
	c := &cobra.Command{
		Use: "mirror FROM TO",
		Long: `Keep the tree at TO like the one at FROM, both on live ensembles: copy it, then
watch it and apply each change. It runs until Ctrl-C, and waits for an ensemble that
it has lost. --once ends it as soon as TO is in step, or after 30 seconds without a
connection. FROM needs ZooKeeper 3.6 or later.

Watches report no changes of ACLs, and none that happen while the connection is lost.
So after each reconnect the stats of all znodes are compared, and again after
--verify-every: changes of ACLs lag by up to that.

What somebody else has changed at TO is reported and not overwritten, unless --force.
Znodes deleted at FROM stay at TO without --delete; with it, the mirror stops
before it deletes more than a tenth of them at once, because the source looks empty.

With --state, a mirror that was stopped or killed goes on where it was. Ephemeral
znodes are not mirrored; containers and TTL znodes become persistent.`,
		Example: `  zkctl mirror prod:/app standby:/app --delete --state /var/lib/zkctl/app.mirror
  zkctl mirror zk://zk1:2181/config /config --once`,
		Args:              command.ArgCount(2, 2),
		ValidArgsFunction: command.Takes(command.Location, 0, 1),
		RunE:              func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0], args[1]) },
	}
	fs := c.Flags()
	fs.BoolVar(&o.once, "once", false, "end as soon as the destination is in step")
	fs.StringVar(&o.state, "state", "", "`file` that remembers what was mirrored")
	fs.BoolVar(&o.delete, "delete", false, "also delete what is deleted at the source")
	fs.DurationVar(&o.verify, "verify-every", verifyEvery, "compare all znodes after this `time`: ACLs lag by up to it")
	fs.IntVar(&o.rate, "rate", apply.DefaultRate, "at most `N` reads a second at the source, and N changes at the destination; 0 for no limit")
	fs.BoolVar(&o.force, "force", false, "overwrite what others change at the destination, and delete however much")
	fs.StringVar(&o.metrics, "metrics", "", "serve metrics to Prometheus at this `address`, host:port")
	return c
}

func (o *mirrorOptions) run(ctx context.Context, from, to string) error {
	switch {
	case o.verify <= 0:
		return fmt.Errorf("--verify-every: invalid value %v; use a positive time, such as 5m", o.verify)
	case o.rate < 0:
		return fmt.Errorf("--rate: %d is not a number of requests a second; use 0 for no limit", o.rate)
	}
	m := &mirror{mirrorOptions: o}
	var err error
	if m.src, err = newEnd(o.env, from); err == nil {
		m.dst, err = newEnd(o.env, to)
	}
	if err != nil {
		return err
	}
	m.src.event = m.dirty.Event
	if m.state, err = openMirrorState(o.state, m.src.name(), m.dst.name()); err != nil {
		return err
	}
	m.stat.znodes.Store(m.state.mirrored())
	defer m.closeAll()
	if err := m.connect(ctx); err != nil {
		return err
	}
	stop, err := m.serveMetrics()
	if err != nil {
		return err
	}
	defer stop()
	return m.loop(ctx)
}

func (m *mirror) closeAll() {
	for _, e := range []*end{m.src, m.dst} {
		if e.conn != nil {
			_ = e.conn.Close() // it has no ephemeral znodes
		}
	}
	if err := m.state.close(); err != nil {
		m.env.Complain(err)
	}
}

// connect opens both sessions for the first time, and refuses what cannot work.
func (m *mirror) connect(ctx context.Context) error {
	for _, e := range []*end{m.src, m.dst} {
		if _, err := e.open(ctx); err != nil {
			return m.env.At(e.location, err)
		}
	}
	if err := m.dst.conn.Guard().Allow(ctx, "mirror to "+escape.Line(m.dst.location.Text), true); err != nil {
		return err
	}
	if _, err := m.src.conn.Exists(ctx, m.src.path, false); err != nil {
		return m.env.At(m.src.location, m.env.Explain(ctx, err))
	}
	if m.state.twins.len() == 0 {
		switch _, err := m.dst.conn.Exists(ctx, m.dst.path, false); {
		case errors.Is(err, proto.ErrNoNode):
			m.state.mark(true, false)
			if err := m.parentThere(ctx); err != nil {
				return err
			}
		case err != nil:
			return m.env.At(m.dst.location, m.env.Explain(ctx, err))
		}
	}
	if err := m.refuseLoop(ctx); err != nil {
		return err
	}
	return m.watch(ctx)
}

// parentThere returns an error if the znode above the destination does not exist: nothing could be created.
func (m *mirror) parentThere(ctx context.Context) error {
	parent := zpath.Parent(m.dst.path)
	if _, err := m.dst.conn.Exists(ctx, parent, false); errors.Is(err, proto.ErrNoNode) {
		return m.env.At(m.dst.location, fmt.Errorf("%s, the parent of %s, does not exist there; create it", escape.Line(parent), escape.Line(m.dst.path)))
	}
	return nil // other errors are those of the copy
}

// watch sets the watch at the source. It is set before anything is compared, so that nothing is missed.
func (m *mirror) watch(ctx context.Context) error {
	err := m.src.conn.AddWatch(ctx, m.src.path, proto.WatchPersistentRecursive)
	if errors.Is(err, proto.ErrUnimplemented) {
		return fmt.Errorf("the source's servers have no recursive watches (ZooKeeper 3.6); cp --on-conflict overwrite, run now and then, does without")
	}
	return err
}

// refuseLoop refuses a destination that is in the source, or the other way round: the mirror would mirror itself.
func (m *mirror) refuseLoop(ctx context.Context) error {
	from, to := m.src.real(), m.dst.real()
	if !zpath.Within(to, from) && !zpath.Within(from, to) {
		return nil
	}
	same, err := sameEnsemble(ctx, m.env, m.src, m.dst)
	if err != nil || !same {
		return err
	}
	return fmt.Errorf("%s and %s overlap on the same ensemble, so the mirror would mirror itself; choose a destination apart from the source",
		escape.Line(m.src.location.Text), escape.Line(m.dst.location.Text))
}
