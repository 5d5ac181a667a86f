//go:build unix

package cmd

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/proto/wiretest"
)

// hostile is a server that answers requests arbitrarily, on its own socket.
type hostile struct {
	t      testing.TB
	addr   string
	answer func(c *wiretest.Peer, h proto.RequestHeader, body []byte)
	words  string            // the answer to four-letter words
	byWord map[string]string // for these words instead
}

func (h *hostile) start(t testing.TB) *hostile {
	t.Helper()
	h.t = t
	h.addr = wiretest.Serve(t, func(_ int, c *wiretest.Peer) { h.serve(c) })
	return h
}

func (h *hostile) serve(c *wiretest.Peer) {
	word, err := c.R.Peek(4)
	if err != nil || word[0] >= 'a' {
		answer, ok := h.byWord[string(word)]
		if !ok {
			answer = h.words
		}
		_, _ = io.WriteString(c, answer)
		return
	}
	c.Welcome(30 * time.Second)
	for {
		head, body, ok := c.Request()
		switch {
		case !ok:
			return
		case head.Type == proto.OpAuth:
			c.Reply(head)
		default:
			h.answer(c, head, body)
		}
	}
}

// What a terminal obeys, in a name and in data. NAMEFORGED would start a line.
const (
	obeyed   = "\x1b]0;PWNED\a\x1b[31;44;5m\x1bP\u009b3J\u202e\u2066\u2028\b\x7f\r"
	evilName = "evil" + obeyed + "\x9b3J\nNAMEFORGED"
	evilBidi = "bidi\u202e\u2066gnp" // a name that servers allow
	evilData = "data" + obeyed + "\x9b3J\nDATA LINE\t!"
	evilText = "text \u202e\u061c\u2029\nDATA LINE\t!\r\n"
)

// evil is a server whose every name, id and datum is hostile.
func evil(t testing.TB) *hostile {
	h := &hostile{answer: evilAnswer, words: "Zookeeper version: 3.9.9" + obeyed + "\nMode: follower\n"}
	name := strings.ReplaceAll(evilName, "\n", "") // which would end a line of these answers
	h.byWord = map[string]string{
		"mntr": "zk_version\t3.9.9" + obeyed + "\nzk_server_state\t" + name + "\nzk_" + name + "\t1\nzk_avg_latency\t" + name + "\n",
		"cons": " /" + name + ":1[1](queued=0,recved=1,sent=1,sid=0x1234,lop=" + name + ",est=1,to=30000,lcxid=0x1,lzxid=0x1,lresp=1,llat=0,minlat=0,avglat=0,maxlat=0)\n",
		"dump": "SessionTracker dump:\nSession Sets (1)/(1):\n1 expire at " + name + ":\n\t0x1234\nephemeral nodes dump:\nSessions with Ephemerals (1):\n0x1234:\n\t/" + name + "\n",
		"conf": "clientPort=" + name + "\ndataDir=" + obeyed + "\nserverId=1\n",
	}
	return h.start(t)
}

func evilAnswer(c *wiretest.Peer, h proto.RequestHeader, body []byte) {
	d := jute.NewDecoder(body)
	path := ""
	if h.Type != proto.OpMulti && h.Type != proto.OpMultiRead {
		d.String(&path)
	}
	children := func(path string) []string {
		if path == "/" {
			return []string{evilBidi, evilName, "plain", "text"}
		}
		return nil
	}
	stat := proto.Stat{Czxid: 1, EphemeralOwner: 7, NumChildren: 3}
	switch {
	case path == "/none", strings.Contains(path, "*"):
		c.Fail(h, proto.ErrNoNode)
		return
	case path == "/"+evilBidi && h.Type == proto.OpGetData:
		c.Fail(h, proto.ErrNoAuth)
		return
	}
	switch h.Type {
	case proto.OpGetChildren:
		c.Reply(h, &proto.GetChildrenResponse{Children: children(path)})
	case proto.OpGetChildren2:
		c.Reply(h, &proto.GetChildren2Response{Children: children(path), Stat: stat})
	case proto.OpGetData:
		data := evilData
		if path == "/text" {
			data = evilText
		}
		c.Reply(h, &proto.GetDataResponse{Data: []byte(data), Stat: stat})
	case proto.OpReconfig:
		c.Reply(h, &proto.GetDataResponse{Data: []byte(evilData)})
	case proto.OpExists, proto.OpSetData, proto.OpSetACL:
		c.Reply(h, &proto.StatResponse{Stat: stat})
	case proto.OpGetACL:
		c.Reply(h, &proto.GetACLResponse{ACL: []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "x" + evilName, ID: evilName}}}, Stat: stat})
	case proto.OpCreate2, proto.OpCreateContainer, proto.OpCreateTTL:
		c.Reply(h, &proto.Create2Response{Path: "/" + evilName, Stat: stat})
	case proto.OpDelete, proto.OpCheckWatches, proto.OpRemoveWatches:
		c.Reply(h)
	case proto.OpGetEphemerals:
		c.Reply(h, &proto.GetEphemeralsResponse{Ephemerals: []string{"/" + evilName}})
	case proto.OpGetAllChildrenNumber:
		c.Reply(h, &proto.GetAllChildrenNumberResponse{TotalNumber: 3})
	case proto.OpWhoAmI:
		c.Reply(h, &proto.WhoAmIResponse{ClientInfo: []proto.ClientInfo{{AuthScheme: "x" + evilName, User: evilName}}})
	case proto.OpSync:
		c.Reply(h, &proto.PathResponse{Path: path})
	case proto.OpAddWatch:
		c.Reply(h, &proto.ErrorResponse{})
		event := proto.WatcherEvent{Type: 99, State: proto.StateSyncConnected, Path: "/" + evilName}
		c.Send(&proto.ReplyHeader{Xid: proto.XidWatcherEvent}, &event)
	case proto.OpMulti, proto.OpMultiRead:
		var req proto.MultiRequest
		req.Visit(d)
		var res proto.MultiResponse
		for _, op := range req.Ops {
			r := proto.MultiResult{Type: op.Type}
			switch part := op.Request.(type) {
			case *proto.PathWatchRequest:
				r.Children, r.Data, r.Stat = children(part.Path), []byte(evilData), &stat
			default:
				r.Path = "/" + evilName
			}
			res.Results = append(res.Results, r)
		}
		c.Reply(h, &res)
	default:
		c.Fail(h, proto.ErrUnimplemented)
	}
}

// TestPipesStayExact: what is escaped on a terminal is unchanged in a pipe, byte for byte.
func TestPipesStayExact(t *testing.T) {
	server := evil(t)
	for line, want := range map[string]string{
		"ls /":            "[" + evilBidi + ", " + evilName + ", plain, text]\n",
		"ls -R /":         "/\n/" + evilBidi + "\n/" + evilName + "\n/plain\n/text\n",
		"find / --print0": "/\x00/" + evilBidi + "\x00/" + evilName + "\x00/plain\x00/text\x00",
		"get /x":          evilData + "\n",
		"getAcl /":        "'x" + evilName + ",'" + evilName + "\n: cdrwa\n",
	} {
		cmd, stderr := process(t, append([]string{"-server", server.addr}, strings.Fields(line)...)...)
		out, err := cmd.Output()
		if err != nil || string(out) != want {
			t.Errorf("%s prints\n%q, want\n%q; %v %s", line, out, want, err, stderr)
		}
	}
}

// endless is a server on which every znode has children of the given names. Deletes are answered
// with the error.
func endless(t testing.TB, names []string, deletes proto.Error) *hostile {
	stat := proto.Stat{NumChildren: int32(len(names))}
	h := &hostile{answer: func(c *wiretest.Peer, h proto.RequestHeader, body []byte) {
		switch h.Type {
		case proto.OpGetChildren:
			c.Reply(h, &proto.GetChildrenResponse{Children: names})
		case proto.OpGetChildren2:
			c.Reply(h, &proto.GetChildren2Response{Children: names, Stat: stat})
		case proto.OpExists:
			c.Reply(h, &proto.StatResponse{Stat: stat})
		case proto.OpGetData:
			c.Reply(h, &proto.GetDataResponse{Data: []byte("x"), Stat: stat})
		case proto.OpDelete:
			c.Fail(h, deletes)
		case proto.OpMultiRead:
			var req proto.MultiRequest
			req.Visit(jute.NewDecoder(body))
			var res proto.MultiResponse
			for range req.Ops {
				res.Results = append(res.Results, proto.MultiResult{Type: proto.OpGetChildren, Children: names})
			}
			c.Reply(h, &res)
		default:
			c.Fail(h, proto.ErrUnimplemented)
		}
	}}
	return h.start(t)
}

// TestEndlessTree: an endless tree is walked, or refused, in bounded memory, and Ctrl-C ends the
// walk.
func TestEndlessTree(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as the trees are large")
	}
	one, wide := []string{"a"}, make([]string, 10_000)
	for i := range wide {
		wide[i] = fmt.Sprintf("child-%05d", i)
	}
	for _, tc := range []struct {
		names []string
		line  string
		says  string // its last message; "" for one that Ctrl-C ends
	}{
		{one, "ls -R /", ""},
		{one, "ls -R -w /", ""},
		{one, "deleteall -y /x", ""},
		{one, "setAcl -R /x world:anyone:cdrwa -y", ""},
		{wide, "ls -R /", "or endless"},
		{wide, "ls -R -w /", "or endless"},
		{wide, "deleteall -y /x", "or endless"},
		{wide, "setAcl -R /x world:anyone:cdrwa -y", "or endless"},
	} {
		t.Run(fmt.Sprintf("%s of %d", tc.line, len(tc.names)), func(t *testing.T) {
			server := endless(t, tc.names, proto.ErrNotEmpty)
			cmd, stderr := process(t, append([]string{"-server", server.addr}, strings.Fields(tc.line)...)...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if tc.says == "" {
				time.AfterFunc(1500*time.Millisecond, func() { _ = cmd.Process.Signal(os.Interrupt) })
			}
			exit := exitCode(t, cmd.Wait())
			if tc.says == "" && exit != 130 || tc.says != "" && (exit != 1 || !strings.Contains(stderr.String(), tc.says)) {
				t.Errorf("exit code %d: %.500s", exit, stderr)
			}
			usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if ok && runtime.GOOS == "linux" {
				t.Logf("%d MiB, %v", usage.Maxrss>>10, cmd.ProcessState.UserTime())
				// A walk holds up to 64 MiB and a few lists, plus as much garbage. The race detector
				// doubles that.
				if usage.Maxrss > 512<<10 { // KiB
					t.Errorf("it took %d MiB", usage.Maxrss>>10)
				}
			}
		})
	}
}
