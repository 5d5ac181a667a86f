package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

var multiFrom = command.NewText("file", "file", command.File, "read the operations from a file, one per line; - means standard input")

var multiCommand = &command.Command{
	Name: "multi", Group: command.Writing, Usage: "[-file file] [operation ...]",
	Short: "run several writes in one transaction, all or none",
	Long: "An operation is create, set or delete with the arguments of that command, or check path version, " +
		"which fails unless the znode has the version. Each operation is a quoted argument, or they are separated by " +
		"the word ; with spaces around it. With -file they are the lines of a file; - means standard input.",
	Options: command.Options{multiFrom},
	Args:    []command.Arg{{Name: "operation", Kind: command.Operation, Optional: true, Repeat: true}},
	Examples: []command.Example{
		{"multi 'create /a x' 'set -v 3 /b y' 'delete /c'", "three writes in one transaction"},
		{"multi 'check /config 7' 'set /state go'", "only if /config still has version 7"},
		{"multi create -e /a x ; set -v 3 /b y ; delete /c", "the same without quotes, in the shell"},
		{"multi -file ops.txt", "from a file"},
	},
	Verbatim: true,
	Operations: command.Set{createCommand, setCommand, deleteCommand, {
		Name: "check", Short: "fail unless the znode has the version", // no command by itself
		Args: []command.Arg{pathArg, {Name: "version", Kind: command.Number, Optional: true}},
	}},
	Differs: "zkCli has no such command.",
	Run:     runMulti,
}

func runMulti(ctx context.Context, env *command.Env, in *command.Invocation) error {
	lines, err := multiLines(ctx, env, in)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return in.Problem("missing operation; `help multi` shows examples")
	}
	ops := make([]proto.MultiOp, len(lines))
	for i, words := range lines {
		if ops[i], err = multiOp(ctx, env, words); err != nil {
			return fmt.Errorf("operation %d of %d: %w; nothing was changed", i+1, len(lines), err)
		}
	}
	conn, err := env.Conn()
	if err != nil {
		return err
	}
	results, err := conn.Multi(ctx, ops)
	if err != nil {
		return multiFailed(ctx, env, lines, results, err)
	}
	return multiDone(env, ops, results)
}

// multiOutcome is an operation in the JSON answer.
type multiOutcome struct {
	Op    string    `json:"op"`
	Path  string    `json:"path"`
	Stat  *statJSON `json:"stat,omitempty"`
	Error string    `json:"error,omitempty"`
}

func multiDone(env *command.Env, ops []proto.MultiOp, results []proto.MultiResult) error {
	var text bytes.Buffer
	outcomes := make([]multiOutcome, len(ops))
	for i, op := range ops {
		var r proto.MultiResult
		if i < len(results) {
			r = results[i]
		}
		o := &outcomes[i]
		switch req := op.Request.(type) {
		case *proto.CreateRequest:
			o.Op, o.Path = "create", req.Path
		case *proto.CreateTTLRequest:
			o.Op, o.Path = "create", req.Path
		case *proto.SetDataRequest:
			o.Op, o.Path = "set", req.Path
		case *proto.PathVersionRequest:
			o.Op, o.Path = op.Type.String(), req.Path
		}
		if r.Path != "" {
			o.Path = r.Path // with the counter of a sequential znode
		}
		fmt.Fprintf(&text, "%s %s", map[string]string{"create": "created", "set": "set", "delete": "deleted", "check": "checked"}[o.Op], env.Streams.Name(o.Path))
		if r.Stat != nil {
			o.Stat = jsonStat(*r.Stat)
			if o.Op == "set" {
				fmt.Fprintf(&text, ", version %d", r.Stat.Version)
			}
		}
		text.WriteByte('\n')
	}
	if env.Output == ui.JSON {
		return env.PrintJSON(command.Object{"committed": true, "results": outcomes})
	}
	_, err := text.WriteTo(env.Streams.Out)
	return err
}

// multiFailed says which operation failed. Without an answer from the server it says what is
// known.
func multiFailed(ctx context.Context, env *command.Env, lines [][]command.Word, results []proto.MultiResult, err error) error {
	var op *client.OpError
	if !errors.As(err, &op) {
		return err
	}
	for i, r := range results {
		if r.Err == proto.OK || r.Err == proto.ErrRuntimeInconsistency || i >= len(lines) {
			continue
		}
		why := env.Explain(ctx, op)
		err = command.Reword(err, "operation %d of %d, %s: %v; nothing was changed", i+1, len(lines), lines[i][0].Text, why)
		if env.Output == ui.JSON {
			err = errors.Join(env.PrintJSON(command.Object{
				"committed": false, "failed": i + 1,
				"results": []multiOutcome{{Op: lines[i][0].Text, Path: op.Path, Error: op.Code.Name()}},
			}), err)
		}
		break
	}
	return err
}
