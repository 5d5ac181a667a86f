package commands

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/unpack"
)

var (
	getBase64  = command.NewFlag("b", "print the data as base64")
	getHexDump = command.NewFlag("x", "print the data as a hex dump")
	getRaw     = command.NewFlag("n", "print only the bytes of the data", "raw")
	getFilter  = command.NewText("jq", "filter", command.Any, "print what a jq filter makes of the data, which is JSON")
	getInside  = command.NewFlag("decompress", "print what is inside gzip, zlib, zstd, snappy or lz4, also in a pipe")
)

var getCommand = &command.Command{
	Name: "get", Group: command.Reading, Usage: "[-s] [-w] [-b] [-x] [-n] [--decompress] [--jq filter] [path]", Short: "print the data of a znode",
	Long: "In a pipe or a file the data comes byte for byte, followed by a line break; -n omits that. " +
		"On a terminal, JSON is indented, the first 4 KiB of binary data are shown as a hex dump, and of data that is compressed with gzip, zlib, " +
		"zstd, snappy or lz4 what is inside is shown; -b, -x and -n show the bytes themselves. " +
		"Null data, which is not the same as empty data, is printed as the word null.\n\n" +
		"--jq prints each result of the filter on a line, strings without quotes. It decompresses data, and takes null for no data.",
	Options: command.Options{withStat, watch, getBase64, getHexDump, getRaw, getInside, getFilter},
	Args:    []command.Arg{pathArg, oldWatchArg},
	Examples: []command.Example{
		{"get /app/config", "the data"},
		{"get -n /app/image > image.png", "the bytes, unchanged"},
		{"get /app/*/config", "of each match"},
		{"get -n --decompress /app/state.gz > state", "what is inside"},
		{"get /brokers/ids/* --jq .host", "a field of JSON documents"},
	},
	Differs: "Bytes that are not UTF-8 are printed unchanged; zkCli replaces them.",
	Run:     runGet,
}

type getJSON struct {
	Path        string      `json:"path"`
	Compression unpack.Form `json:"compression,omitempty"` // that was removed
	dataJSON
	*statJSON
}

func runGet(ctx context.Context, env *command.Env, in *command.Invocation) error {
	show := showData
	if getFilter.Given(in) {
		var err error
		if show, err = showFiltered(in); err != nil {
			return err
		}
	}
	watch := watching(env, in)
	return each(ctx, env, in, func(conn *client.Conn, path string) error {
		data, stat, err := conn.Get(ctx, path, watch)
		if err != nil {
			return err
		}
		return show(ctx, env, in, path, data, stat)
	})
}

// showData prints the data of a znode.
func showData(_ context.Context, env *command.Env, in *command.Invocation, path string, data []byte, stat proto.Stat) error {
	var form unpack.Form
	if getInside.On(in) || env.Streams.OutTTY && env.Output != ui.JSON && !getRaw.On(in) && !getBase64.On(in) && !getHexDump.On(in) {
		inside, is, err := unpack.Data(data, maxInside)
		switch {
		case err == nil:
			data, form = inside, is
		case getInside.On(in):
			return fmt.Errorf("%s: %w", env.Streams.Name(path), err)
		}
	}
	if env.Output == ui.JSON {
		return env.PrintJSON(getJSON{path, form, jsonData(data), jsonStat(stat)})
	}
	if form != "" && env.Streams.OutTTY {
		env.Note("(%s, %s compressed, %s inside)", form, ui.Bytes(int64(stat.DataLength)), ui.Bytes(int64(len(data))))
	}
	var out bytes.Buffer
	rest := 0
	switch raw := getRaw.On(in); {
	case raw:
		out.Write(data)
	case data == nil:
		data = []byte("null")
		fallthrough
	default:
		var shown []byte
		shown, rest = formatData(data, in, env.Streams)
		out.Write(shown)
		out.WriteByte('\n')
	}
	if withStat.On(in) {
		printStat(&out, stat)
	}
	_, err := env.Streams.Out.Write(out.Bytes())
	if rest > 0 {
		fmt.Fprintf(env.Streams.Err, "and %s more bytes; get -x shows all of them, get -n > file writes them to a file\n", command.Thousands(rest))
	}
	return err
}

// maxInside is how many bytes of compressed data are shown at most.
const maxInside = 64 << 20

// dumpLimit is how many bytes of binary data are shown on a terminal by default.
const dumpLimit = 4 << 10

// formatData returns the data as shown, and how many bytes of it are not.
func formatData(data []byte, in *command.Invocation, s *ui.Streams) (shown []byte, rest int) {
	switch {
	case getHexDump.On(in): // as in zkCli, -x takes precedence over -b
		return []byte(ui.HexDump(data, 16)), 0
	case getBase64.On(in):
		return []byte(base64.StdEncoding.EncodeToString(data)), 0
	case !s.OutTTY:
		return data, 0
	case !escape.Printable(data):
		columns := 16
		if s.Width < ui.HexDumpWidth {
			columns = 8
		}
		head := data[:min(len(data), dumpLimit)]
		return []byte(ui.HexDump(head, columns)), len(data) - len(head)
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		var pretty bytes.Buffer
		if json.Indent(&pretty, trimmed, "", "  ") == nil {
			return pretty.Bytes(), 0
		}
	}
	return data, 0
}
