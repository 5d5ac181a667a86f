package session

import (
	"bytes"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

func TestEventPrinter(t *testing.T) {
	changed := client.Event{Type: proto.EventNodeDataChanged, State: proto.StateSyncConnected, Path: "/a type:None \"x\""}
	for form, want := range map[ui.Format]string{
		ui.Text: "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/a type:None \"x\"\n",
		ui.JSON: `{"event":{"path":"/a type:None \"x\"","state":"SyncConnected","type":"NodeDataChanged"}}` + "\n",
	} {
		var out bytes.Buffer
		print := EventPrinter(&out, form)
		print(client.Event{Type: proto.EventNone, State: proto.StateDisconnected})
		print(changed)
		if out.String() != want {
			t.Errorf("%s: %q", form, out.String())
		}
	}
	var out bytes.Buffer
	changed.Zxid = 0x10000000b // of a server since 3.9; zkCli of 3.8 does not print it
	EventPrinter(&out, ui.JSON)(changed)
	EventPrinter(&out, ui.Text)(changed)
	if want := `{"event":{"path":"/a type:None \"x\"","state":"SyncConnected","type":"NodeDataChanged","zxid":"0x10000000b"}}` + "\n" +
		"\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/a type:None \"x\"\n"; out.String() != want {
		t.Errorf("with a zxid: %q, want %q", out.String(), want)
	}
	out.Reset()
	EventPrinter(&out, ui.JSON)(client.Event{Type: proto.EventNodeCreated, State: proto.StateSyncConnected, Path: "/<a>&b"})
	if want := `{"event":{"path":"/<a>&b","state":"SyncConnected","type":"NodeCreated"}}` + "\n"; out.String() != want {
		t.Errorf("with what HTML escapes: %q, want %q", out.String(), want)
	}
	if got := EventText(client.Event{Type: proto.EventNone, State: proto.StateExpired}); got != "WATCHER::\n\nWatchedEvent state:Expired type:None path:null" {
		t.Error(got)
	}
}
