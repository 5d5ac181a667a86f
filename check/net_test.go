package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port/porttest"
)

func TestJudgeNet(t *testing.T) {
	limits := Limits{2 * time.Second, 5}
	good := times{Count: 100, Median: time.Millisecond, P99: 2 * time.Millisecond, Slowest: 5 * time.Millisecond}
	of := func(change func(*netResult)) *netResult {
		r := &netResult{Sent: 100, Connect: good, Answer: good, Limits: limits}
		change(r)
		return r
	}
	yes, no := true, false
	for name, c := range map[string]struct {
		r    *netResult
		fit  *bool
		says string
	}{
		"good":         {of(func(*netResult) {}), &yes, ""},
		"slow":         {of(func(r *netResult) { r.Connect.P99, r.Connect.Median = 300*time.Millisecond, 9*time.Millisecond }), &no, "one round trip in a hundred takes 300ms"},
		"a short tick": {of(func(r *netResult) { r.Limits.Tick = 10 * time.Millisecond }), &no, "10 should fit into tickTime, which is 1ms for each"},
		"lost packets": {of(func(r *netResult) { r.Connect.P99, r.Connect.Slowest = time.Second, 1100*time.Millisecond }), &no, "packets are lost"},
		"lost":         {of(func(r *netResult) { r.Lost = 3 }), &no, "3 of 100 round trips got no answer within 3s"},
		"dead":         {&netResult{Sent: 1, Lost: 1, Limits: limits}, &no, "it does not answer within 3s"},
		"hung":         {&netResult{Sent: 1, Lost: 1, Connect: times{Count: 1}, Limits: limits}, &no, "accepts connections, but does not answer"},
		"unknown":      {&netResult{Err: errors.New("unknown host x"), Limits: limits}, &no, "cannot connect: unknown host x"},
		"dropped":      {of(func(r *netResult) { r.Answer.Slowest = 10 * time.Second }), &no, "tickTime × syncLimit, 10s"},
		"far":          {of(func(r *netResult) { r.Connect.Median, r.Connect.P99 = 50*time.Millisecond, 60*time.Millisecond }), &yes, "at most 20 writes/s"},
		"unsteady":     {of(func(r *netResult) { r.Connect.P99 = 100 * time.Millisecond }), &yes, "1ms is usual, but one round trip"},
		"busy server":  {of(func(r *netResult) { r.Answer.P99 = 300 * time.Millisecond }), &yes, "slower than the network"},
		"refused":      {of(func(r *netResult) { r.Refused, r.Answer = 100, times{} }), nil, "nothing listens"},
		"TLS":          {of(func(r *netResult) { r.Empty, r.Answer = 100, times{} }), nil, "(-tls)"},
		"no handshake": {of(func(r *netResult) { r.Empty, r.Answer, r.Reply = 100, times{}, io.EOF }), nil, "without an answer: EOF"},
		"another":      {of(func(r *netResult) { r.Strange = true }), nil, "otherwise than a ZooKeeper server"},
	} {
		v := judgeNet(c.r, 3*time.Second)
		if got := v.fit(); (got == nil) != (c.fit == nil) || got != nil && *got != *c.fit {
			t.Errorf("%s: %+v", name, v)
		}
		text := strings.Join(append(append(v.Faults, v.Doubts...), v.Warnings...), "\n")
		if !strings.Contains(text, c.says) || c.says == "" && text != "" {
			t.Errorf("%s: %q, want %q", name, text, c.says)
		}
	}
}

// Hosts of all kinds, at once: a silent one costs one timeout, and does not hold up the others.
func TestNet(t *testing.T) {
	word := func(reply string) string {
		return porttest.Serve(t, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 4))
			_, _ = io.WriteString(c, reply)
		})
	}
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	hung := porttest.Serve(t, func(net.Conn) { <-release })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := closed.Addr().String()
	_ = closed.Close()
	good, shut := word("imok"), word("ruok is not executed because it is not in the whitelist.\n")
	limits := func(ctx context.Context, cfg client.Config, server string) (Limits, error) {
		if server == good {
			return Limits{time.Second, 7}, nil
		}
		return noLimits(ctx, cfg, server)
	}
	check := func(args ...string) (code int, found []netDocument, text string) {
		var out bytes.Buffer
		c := newNetCommand(discard(&out), func() (client.Config, error) { return client.Config{Servers: good}, nil }, limits)
		code, err := run(t, c, &out, append(args, "--count", "3", "--interval", "1ms", "--timeout", "400ms")...)
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		text = out.String()
		for d := json.NewDecoder(&out); strings.HasPrefix(text, "{") && d.More(); {
			var one netDocument
			if err := d.Decode(&one); err != nil {
				t.Fatal(err)
			}
			found = append(found, one)
		}
		return code, found, text
	}
	start := awaittest.Start()
	code, found, _ := check("-o", "json", good, shut, hung, refusing, word("HTTP/1.1 400"), word(""), "nohost.invalid")
	if took, late := start.Late(5 * time.Second); late || code != 1 || len(found) != 7 {
		t.Fatalf("exit %d after %v, %+v", code, took, found)
	}
	for i, fit := range []string{"true", "true", "false", "null", "null", "null", "false"} {
		if text, _ := json.Marshal(found[i].Fit); string(text) != fit {
			t.Errorf("%s is fit: %s, want %s: %+v", found[i].Server, text, fit, found[i].verdict)
		}
	}
	if g := found[0]; g.Sent != 3 || g.Tick != 1000 || g.Sync != 7 || g.From != fromServer || g.Address == nil || *g.Address != good {
		t.Errorf("%+v", g)
	}
	if h := found[2]; h.Sent != 1 || h.Lost != 1 || !strings.Contains(h.Faults[0], "accepts connections") {
		t.Errorf("a server that is silent: %+v", h)
	}
	if r := found[3]; r.Refused != 3 || r.From != fromDefault || r.Tick != 2000 {
		t.Errorf("a port that refuses: %+v", r)
	}
	if code, _, text := check(); code != 0 || !strings.Contains(text, good+": fit\n") || !strings.Contains(text, "tickTime 1000, syncLimit 7: as the server tells") {
		t.Errorf("exit %d, %s", code, text)
	}
	if code, _, text := check(shut, "--tick-time", "500ms"); code != 0 || !strings.Contains(text, "tickTime 500, syncLimit 5: as the options say") {
		t.Errorf("exit %d, %s", code, text)
	}
	if code, _, text := check(refusing); code != 2 || !strings.Contains(text, "refusal") {
		t.Errorf("exit %d, %s", code, text)
	}
}
