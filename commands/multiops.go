package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/proto"
)

// multiLines returns the words of each operation.
func multiLines(ctx context.Context, env *command.Env, in *command.Invocation) (lines [][]command.Word, err error) {
	lex := func(line string) error {
		tokens, err := command.Lex(line)
		if err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		for _, t := range tokens {
			if t.Operator {
				return fmt.Errorf("%q: %s must be quoted here", line, t.Text)
			}
		}
		if len(tokens) > 0 {
			lines = append(lines, command.Words(tokens))
		}
		return nil
	}
	file := multiFrom.In(in)
	switch {
	case file != "" && len(in.Args) > 0:
		return nil, in.Problem("give operations in the file or as arguments, not both")
	case file == "" && len(in.Args) == 1 && in.Args[0] == "-":
		file = "-"
	}
	if file != "" {
		text, err := multiFile(ctx, env, file)
		if err != nil {
			return nil, err
		}
		for n, line := range strings.Split(string(text), "\n") {
			if err := lex(line); err != nil {
				return nil, fmt.Errorf("%s, line %d: %w", file, n+1, err)
			}
		}
		return lines, nil
	}
	if len(in.Args) > 0 && strings.ContainsAny(in.Args[0], " \t\n") {
		for _, a := range in.Args {
			if err := lex(a); err != nil {
				return nil, err
			}
		}
		return lines, nil
	}
	for rest := in.Words; len(rest) > 0; {
		n := slices.Index(rest, command.Word{Text: ";"})
		if n < 0 {
			n = len(rest)
		}
		if n > 0 {
			lines = append(lines, rest[:n])
		}
		rest = rest[min(n+1, len(rest)):]
	}
	return lines, nil
}

func multiFile(ctx context.Context, env *command.Env, name string) ([]byte, error) {
	if name == "-" {
		return env.ReadInput(ctx, env.Streams.In, "standard input")
	}
	f, err := infile.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return env.ReadInput(ctx, f, name)
}

// multiOp parses an operation.
func multiOp(ctx context.Context, env *command.Env, words []command.Word) (op proto.MultiOp, err error) {
	name := words[0].Text
	if strings.EqualFold(name, "check") {
		return multiCheck(env, words)
	}
	switch env.Commands.Lookup(name) {
	case createCommand, setCommand, deleteCommand:
	default:
		return op, fmt.Errorf("%s is not possible in a multi; use create, set, delete or check", name)
	}
	in, err := env.Commands.Parse(words)
	var usage *command.UsageError
	if errors.As(err, &usage) {
		err = fmt.Errorf("%s: %s", name, usage.Problem)
	}
	if err != nil {
		return op, err
	}
	if dryRun.On(in) || setFilter.Given(in) || setPatch.Given(in) {
		return op, fmt.Errorf("%s: --dry-run, --jq and --merge are not possible in a multi", name)
	}
	if err := in.Resolve(env.Dir); err != nil {
		return op, err
	}
	if in.Command == createCommand {
		c, err := newCreate(ctx, env, in)
		if err == nil && createParents.On(in) {
			err = errors.New("create -p is not possible in a multi; create the parents one by one in it")
		}
		if err == nil {
			err = client.ValidateCreatePath(c.path, c.mode.IsSequential())
		}
		return client.CreateOp(c.path, c.data, c.acl, c.mode, c.ttl), err
	}
	var data []byte
	args := in.Args
	if in.Command == setCommand {
		if data, args, err = takeData(ctx, env, in, 1); err != nil {
			return op, err
		}
		if data == nil {
			return op, errors.New("set: missing data; use '' for empty data")
		}
	}
	var version int32
	if in.Command == deleteCommand {
		var n int
		if n, version, err = toDelete(in); err == nil && n > 1 {
			err = errors.New("in a multi, delete takes one path; write one operation per path")
		}
	} else {
		version, err = expectedVersion(in, dataVersion, args, 1)
	}
	if err == nil {
		err = client.ValidatePath(args[0])
	}
	if in.Command == setCommand {
		return proto.MultiOp{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: args[0], Data: data, Version: version}}, err
	}
	return proto.MultiOp{Type: proto.OpDelete, Request: &proto.PathVersionRequest{Path: args[0], Version: version}}, err
}

func multiCheck(env *command.Env, words []command.Word) (op proto.MultiOp, err error) {
	if len(words) < 2 || len(words) > 3 {
		return op, errors.New("check needs a path and a version, such as: check /config 7")
	}
	path, err := command.Absolute(env.Dir, words[1].Text)
	if err == nil {
		err = client.ValidatePath(path)
	}
	version := int64(-1) // any version is enough
	if err == nil && len(words) == 3 {
		if version, err = strconv.ParseInt(words[2].Text, 10, 32); err != nil {
			err = fmt.Errorf("check %s: invalid version %q; use a number, as in dataVersion of stat", path, words[2].Text)
		}
	}
	return proto.MultiOp{Type: proto.OpCheck, Request: &proto.PathVersionRequest{Path: path, Version: int32(version)}}, err
}
