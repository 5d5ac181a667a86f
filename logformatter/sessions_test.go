package logformatter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/ui"
)

func TestSessionsOfReferenceEnsemble(t *testing.T) {
	got := objects(t, 0, "sessions", ensemble3)
	expect(t, got,
		map[string]string{"sessionId": "0x100001329410000", "openedZxid": "0x100000001", "closedZxid": "0x10000005e", "end": "closed",
			"writes": "88", "errors": "4", "errorsByCode": "map[BADVERSION:1 NODEEXISTS:1 NONODE:2]",
			"ephemerals": "map[created:2 deleted:0 paths:[/app/eph /app/eph-0000000008] wentWithSession:2]"},
		map[string]string{"sessionId": "0x100001329410001", "timeOut": "4000", "end": "expired", "lasted": "4747", "lastedExact": "true",
			"ephemerals": "map[created:1 deleted:0 paths:[/app/eph2] wentWithSession:1]"},
		map[string]string{"sessionId": "0x100001329410002", "end": "open", "closed": "", "lastedExact": "false"},
		map[string]string{"openedZxid": "0x200000001"}, map[string]string{"openedZxid": "0x200000003"}, map[string]string{"openedZxid": "0x200000004"})
	twice := objects(t, 0, "sessions", ensemble3, "testdata/ensemble/server1/version-2")
	if fmt.Sprint(twice) != fmt.Sprint(got) {
		t.Errorf("two members' logs: %v", twice)
	}
}

func TestSessionsOfReferenceStandalone(t *testing.T) {
	list := objects(t, 0, "sessions", "testdata/standalone/version-2")
	if len(list) != 7 {
		t.Fatalf("%d sessions: %v", len(list), list)
	}
	expect(t, list[:3],
		map[string]string{"sessionId": "0x100001196310000", "end": "closed", "closedZxid": "0x5e"},
		map[string]string{"sessionId": "0x100001196310001", "end": "expired", "closedZxid": "0x77"},
		map[string]string{"sessionId": "0x100001196310002", "end": "closed", "closedZxid": "0x76"})
}

// TestSessionsBeforeTheLogs starts with a log that is not the first.
func TestSessionsBeforeTheLogs(t *testing.T) {
	list := objects(t, 0, "sessions", "testdata/standalone/version-2/log.73")
	expect(t, list,
		map[string]string{"openedBefore": "true", "end": "closed", "opened": "", "timeOut": ""},
		map[string]string{"openedBefore": "true", "end": "expired",
			"ephemerals": "map[created:0 deleted:0 paths:[/app/eph2] wentWithSession:1]"})
}

func TestOneSession(t *testing.T) {
	got := txnlog(t, "", "sessions", "--session", "100001329410000", ensemble3)
	sameText(t, got.out, `session 0x100001329410000
  opened      2026-11-22T03:08:50.979Z  zxid 0x100000001
  timeout     10s
  lasted      727ms
  ended       2026-11-22T03:08:51.706Z  zxid 0x10000005e
  end         closed by the client
  writes      88: 62 create, 20 delete, 1 setData, 1 setACL, 1 multi, 1 createContainer, 2 createTTL
  errors      4: 2 NoNode, 1 BadVersion, 1 NodeExists
  ephemerals  2 created, 0 deleted, 2 removed with the session
    /app/eph
      created 0x10000000a, removed with the session 0x10000005e
    /app/eph-0000000008
      created 0x10000000b, removed with the session 0x10000005e
`)
	if got := txnlog(t, "", "sessions", "--session", "0x7", ensemble3); got.exit != 1 || got.err != "no session 0x7 in the logs; list those there are: zkctl txnlog sessions\n" {
		t.Errorf("%+v", got)
	}
}

func TestSessionsOfOldLogs(t *testing.T) {
	dir := oldLogs(t)
	expect(t, objects(t, 0, "sessions", dir),
		map[string]string{"end": "closed", "ephemerals": "map[created:2 deleted:1 paths:[/a] wentWithSession:1]", "lasted": "1.1e+07"},
		map[string]string{"end": "expired", "ephemerals": "map[created:2 deleted:0 paths:[/b /b/no] wentWithSession:2]"},
		map[string]string{"sessionId": "0x3", "openedBefore": "true", "end": "open", "writes": "3"})
	got := txnlog(t, "", "sessions", "--session", "0x1", dir)
	if want := "    /a\n      created 0xc, deleted 0xd by session 0x2\n    /a\n      created 0xe, removed with the session 0x15\n"; !strings.HasSuffix(got.out, want) {
		t.Errorf("%s", got.out)
	}
}

func TestSessionsOfDamagedLog(t *testing.T) {
	for _, name := range []string{"truncated", "huge-length", "negative-length", "no-eor", "crc"} {
		log := "testdata/damaged/log." + name
		got := txnlog(t, "", "sessions", log)
		if got.exit != 1 || !strings.Contains(got.out, "0x100001196310000") || strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, "read "+log+" at byte ") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestSessionsFitTheTerminal(t *testing.T) {
	for _, width := range []int{30, 60, 80, 100, 200} {
		var out bytes.Buffer
		c := newCommand(&ui.Streams{Out: &out, Err: io.Discard, OutTTY: true, Width: width})
		c.SetArgs([]string{"sessions", ensemble3})
		if err := c.ExecuteContext(context.Background()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := len(strings.TrimSuffix(line, "\n")); n > max(width, 35) {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
		for _, want := range []string{"0x100001329410001", "expired", "WRITES"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("width %d: no %s in\n%s", width, want, &out)
			}
		}
	}
}
