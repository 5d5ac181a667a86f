package session

import (
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// EventText formats an event as zkCli prints it, without line breaks around it: two paragraphs,
// "WATCHER::" and "WatchedEvent …".
func EventText(e client.Event) string {
	path := escape.Line(e.Path)
	if e.Type == proto.EventNone {
		path = "null"
	}
	return fmt.Sprintf("WATCHER::\n\nWatchedEvent state:%v type:%v path:%s", e.State, e.Type, path)
}

// EventPrinter returns an OnWatch for commands that run without a terminal. It prints what
// happened to znodes, in JSON as one object per line; changes of the connection show up in the
// commands' errors.
func EventPrinter(w io.Writer, form ui.Format) func(client.Event) {
	return func(e client.Event) {
		switch {
		case e.Type == proto.EventNone:
		case form == ui.JSON:
			event := map[string]any{"type": e.Type.String(), "state": e.State.String(), "path": e.Path}
			if e.Zxid > 0 { // servers before 3.9 do not report it
				event["zxid"] = proto.Hex(e.Zxid)
			}
			_ = ui.PrintJSON(w, map[string]any{"event": event})
		default:
			_, _ = fmt.Fprintf(w, "\n%s\n", EventText(e))
		}
	}
}
