package commands

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

// creation is what a create command requests.
type creation struct {
	path string
	data []byte
	acl  []proto.ACL
	mode proto.CreateMode
	ttl  int64
}

func newCreate(ctx context.Context, env *command.Env, in *command.Invocation) (op creation, err error) {
	if op.mode, op.ttl, err = createMode(in); err != nil {
		return op, err
	}
	var args []string
	if op.data, args, err = takeData(ctx, env, in, 1); err != nil {
		return op, err
	}
	if len(args) > 2 {
		return op, in.Problem("-file allows no data argument: found %q and %q", args[1], args[2])
	}
	op.path, op.acl = args[0], proto.OpenACL
	if len(args) > 1 {
		op.acl, err = command.ParseACL(args[1])
	}
	return op, err
}

func parseTTL(text string) (ttl int64, err error) {
	if ttl, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, fmt.Errorf("-t argument must be a long value: %q is not a number of milliseconds", text)
	}
	return ttl, nil
}

// createMode checks the options as zkCli does, in its words.
func createMode(in *command.Invocation) (mode proto.CreateMode, ttl int64, err error) {
	s, e, c, t := createSequential.On(in), createEphemeral.On(in), createContainer.On(in), createTTL.Given(in)
	if c && (s || e) {
		return 0, 0, errors.New("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.") //nolint:staticcheck // zkCli's words
	}
	if ttl, err = createTTL.Or(in, 0); err != nil {
		return 0, 0, err
	}
	switch {
	case t && e:
		return 0, 0, errors.New("TTLs cannot be used with Ephemeral znodes") //nolint:staticcheck // zkCli's words
	case t && c:
		return 0, 0, errors.New("TTLs cannot be used with Container znodes") //nolint:staticcheck // zkCli's words
	case t && (ttl <= 0 || ttl > proto.MaxTTL):
		return 0, 0, fmt.Errorf("ttl must be positive and cannot be larger than: %d", int64(proto.MaxTTL))
	case t && s:
		mode = proto.PersistentSequentialTTL
	case t:
		mode = proto.PersistentTTL
	case c:
		mode = proto.Container
	case e && s:
		mode = proto.EphemeralSequential
	case e:
		mode = proto.Ephemeral
	case s:
		mode = proto.PersistentSequential
	}
	return mode, ttl, nil
}

// run creates the znode; with parents, also those above it that are missing.
func (op creation) run(ctx context.Context, conn *client.Conn, parents bool) (string, proto.Stat, error) {
	path, stat, err := conn.Create(ctx, op.path, op.data, op.acl, op.mode, op.ttl)
	slash := strings.LastIndexByte(op.path, '/')
	if !parents || slash <= 0 || !errors.Is(err, proto.ErrNoNode) {
		return path, stat, err
	}
	above := creation{path: op.path[:slash], acl: op.acl}
	if _, _, err = above.run(ctx, conn, true); err != nil && !errors.Is(err, proto.ErrNodeExists) {
		return "", stat, err
	}
	return conn.Create(ctx, op.path, op.data, op.acl, op.mode, op.ttl)
}

// explain adds to what a server's refusal of the create means.
func (op creation) explain(err error) error {
	if op.mode.IsTTL() && errors.Is(err, proto.ErrUnimplemented) {
		return command.Reword(err, "%s for %s: this server does not support TTL znodes; start every server of the ensemble (3.5.4 or later) with "+
			"the Java property zookeeper.extendedTypesEnabled=true", proto.ErrUnimplemented.Error(), op.path)
	}
	if errors.Is(err, proto.ErrEphemeralOnLocal) {
		return command.Reword(err, "Unable to create ephemeral node on a local session; a server makes it a global one only with localSessionsUpgradingEnabled=true in its zoo.cfg")
	}
	var refused *client.OpError
	if errors.As(err, &refused) && refused.Code == proto.ErrNoNode {
		if text, hint := command.Refusal(refused); hint != "" {
			return command.Reword(err, "%s (%s; create -p creates missing parents)", text, hint)
		}
	}
	return command.ExplainACL(err, op.acl)
}
