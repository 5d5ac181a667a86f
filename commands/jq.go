package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jq"
	"github.com/zkctl/zkctl/internal/jsondoc"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/unpack"
)

// showFiltered returns the function that prints what get --jq makes of the data of a znode.
func showFiltered(in *command.Invocation) (func(context.Context, *command.Env, *command.Invocation, string, []byte, proto.Stat) error, error) {
	if getRaw.On(in) || getBase64.On(in) || getHexDump.On(in) {
		return nil, in.Problem("--jq prints JSON or text; -b, -x and -n print bytes")
	}
	filter, err := jq.Parse(getFilter.In(in))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, env *command.Env, in *command.Invocation, path string, data []byte, stat proto.Stat) error {
		var out bytes.Buffer
		results := []json.RawMessage{}
		inside, _, err := unpack.Data(data, maxInside)
		if err == nil {
			err = filter.Run(ctx, inside, func(r jq.Result) error {
				if env.Output == ui.JSON {
					results = append(results, r.JSON())
					return nil
				}
				out.Write(r.Text(env.Streams.OutTTY))
				return out.WriteByte('\n')
			})
		}
		switch {
		case err != nil:
			_, _ = env.Streams.Out.Write(out.Bytes())
			return fmt.Errorf("%s: %w", escape.Line(path), err)
		case env.Output == ui.JSON:
			return env.PrintJSON(struct {
				Path    string            `json:"path"`
				Results []json.RawMessage `json:"results"`
				*statJSON
			}{path, results, jsonStat(stat)})
		case withStat.On(in):
			printStat(&out, stat)
		}
		_, err = env.Streams.Out.Write(out.Bytes())
		return err
	}, nil
}

// filtered returns the change that set --jq makes.
func filtered(ctx context.Context, text string) (func([]byte) ([]byte, error), error) {
	filter, err := jq.Parse(text)
	if err != nil {
		return nil, err
	}
	return inside(func(data []byte) ([]byte, error) {
		var results [][]byte
		err := filter.Run(ctx, data, func(r jq.Result) error {
			if results = append(results, r.JSON()); len(results) > 1 {
				return errors.New("jq: the filter yields more than one result; [ ] around it makes them one")
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(results) == 0 {
			return nil, errors.New("jq: the filter yields no result, so there is nothing to set")
		}
		doc, err := parseDoc(data, "null")
		if err != nil {
			return nil, err
		}
		to, err := jsondoc.Parse(results[0])
		if err != nil {
			return nil, err
		}
		return doc.Rewrite(to), nil
	}), nil
}

// patched returns the change that set --merge makes.
func patched(ctx context.Context, env *command.Env, arg string) (func([]byte) ([]byte, error), error) {
	text, err := env.Data(ctx, arg)
	if err != nil {
		return nil, err
	}
	patch, err := jsondoc.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--merge: the patch is %w", err)
	}
	return inside(func(data []byte) ([]byte, error) {
		doc, err := parseDoc(data, "{}")
		if err != nil {
			return nil, err
		}
		return doc.Merge(patch), nil
	}), nil
}

// parseDoc parses the data of a znode, or what stands for no data.
func parseDoc(data []byte, otherwise string) (*jsondoc.Doc, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		data = []byte(otherwise)
	}
	return jsondoc.Parse(data)
}

// inside returns a change of what is inside compressed data, which is compressed again in the same way.
func inside(change func([]byte) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(data []byte) ([]byte, error) {
		before, form, err := unpack.Data(data, maxInside)
		if err != nil {
			return nil, err
		}
		after, err := change(before)
		switch {
		case err != nil || bytes.Equal(before, after):
			return data, err
		case form == "":
			return after, nil
		}
		return unpack.Like(data, after)
	}
}
