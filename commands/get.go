package commands

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	getBase64  = command.NewFlag("b", "print the data as base64")
	getHexDump = command.NewFlag("x", "print the data as a hex dump")
	getRaw     = command.NewFlag("n", "print only the bytes of the data", "raw")
)

var getCommand = &command.Command{
	Name: "get", Group: command.Reading, Usage: "[-s] [-w] [-b] [-x] [-n] [path]", Short: "print the data of a znode",
	Long: "In a pipe or a file the data comes byte for byte, followed by a line break; -n omits that. " +
		"On a terminal, JSON is indented, and the first 4 KiB of binary data are shown as a hex dump. " +
		"Null data, which is not the same as empty data, is printed as the word null.",
	Options: command.Options{withStat, watch, getBase64, getHexDump, getRaw},
	Args:    []command.Arg{pathArg, oldWatchArg},
	Examples: []command.Example{
		{"get /app/config", "the data"},
		{"get -n /app/image > image.png", "the bytes, unchanged"},
		{"get /app/*/config", "of each match"},
	},
	Differs: "Bytes that are not UTF-8 are printed unchanged; zkCli replaces them.",
	Run:     runGet,
}

type getJSON struct {
	Path string `json:"path"`
	dataJSON
	*statJSON
}

func runGet(ctx context.Context, env *command.Env, in *command.Invocation) error {
	watch := watching(env, in)
	return each(ctx, env, in, func(conn *client.Conn, path string) error {
		data, stat, err := conn.Get(ctx, path, watch)
		if err != nil {
			return err
		}
		if env.Output == ui.JSON {
			return env.PrintJSON(getJSON{path, jsonData(data), jsonStat(stat)})
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
		_, err = env.Streams.Out.Write(out.Bytes())
		if rest > 0 {
			fmt.Fprintf(env.Streams.Err, "and %s more bytes; get -x shows all of them, get -n > file writes them to a file\n", command.Thousands(rest))
		}
		return err
	})
}

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
	case !printable(data):
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

// printable reports whether data can be shown on a terminal: text without control characters.
func printable(data []byte) bool {
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
		data = data[n:]
	}
	return true
}
