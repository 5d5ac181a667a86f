package ensemble

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// doors are three members, and which of their doors are open.
type doors struct {
	servers       []string
	admin         string // --admin-port
	words, admins bool
}

// check runs every verb: it must give the right answer and name the door, or what would open one.
func (d doors) check(t *testing.T) {
	c, err := client.Open(client.Config{Servers: d.servers[0], SessionTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	path := "/lock-" + strings.ReplaceAll(t.Name(), "/", "-")
	if _, _, err := c.Create(t.Context(), path, nil, proto.OpenACL, proto.Ephemeral, 0); err != nil {
		t.Fatal(err)
	}
	for range 300 { // so that there are digests
		if _, err := c.Set(t.Context(), path, nil, -1); err != nil {
			t.Fatal(err)
		}
	}
	session := fmt.Sprintf("0x%x", uint64(c.SessionID()))
	tells := d.words || d.admins
	unless := func(open bool, code int) int {
		if open {
			return 0
		}
		return code
	}
	with := func(open bool, yes, no string) string {
		if open {
			return yes
		}
		return no
	}
	for _, test := range []struct {
		construct func(*ui.Streams, Connect) *cobra.Command
		args      string
		code      int
		says      string // on stdout or stderr
		silent    string // on neither
	}{
		{newCommand, "status", 0, with(tells, "quorum 3 of 3", "4lw.commands.whitelist=mntr,conf"), with(tells, "?", "panic")},
		{newCommand, "health", 0, "healthy: quorum 3 of 3", "?"},
		{newCommand, "health --canary --min-members 3 --max-lag 100000 --max-latency 1e9 --max-outstanding 100000 --strict", 0, "healthy: quorum 3 of 3", "?"},
		{newCommand, "verify", unless(tells, exitUnknown), with(tells, "3 members agree at", "put hash into 4lw.commands.whitelist"), "differ"},
		{newCommand, "verify --deep /zookeeper", 0, "are the same on 3 members", "not compared"},
		{newCommand, "doctor --fail-on critical --only WATCHES,NO_QUORUM", 0, with(tells, "", "WATCHES"), with(tells, "WATCHES", "NO_QUORUM")},
		{newCommand, "restart --rolling --dry-run --exec true", 0, "leader", "down"},
		{sessionVerb, "ls", unless(tells, exitUnknown), with(tells, session, "4lw.commands.whitelist=cons,dump,wchc"), "panic"},
		{sessionVerb, "show " + session, unless(tells, exitUnknown), with(tells, "member    "+d.servers[0], "4lw.commands.whitelist=cons,dump,wchc"), "panic"},
		{sessionVerb, "owner " + path, unless(tells, exitUnknown), session, with(tells, "does not tell", "panic")},
		{newWordCommand, "mntr", unless(tells, exitUnknown), with(d.words, "zk_server_state\tleader", with(d.admins, "its AdminServer answered on port", "add mntr to that list in zoo.cfg")), with(d.words, "AdminServer", "panic")},
		{newWordCommand, "ruok --via admin", unless(d.admins, ui.ExitFailed), with(d.admins, "ruok", "AdminServer on port"), "whitelist"},
		{newAdminCommand, "leader", unless(d.admins, exitUnknown), with(d.admins, "leader_id", "admin.enableServer=true in zoo.cfg"), "panic"},
	} {
		args := append(strings.Fields(test.args), "--admin-port", d.admin, "--timeout", "20s")
		var o output
		await.Within(20*time.Second, func() bool { // a follower may be behind
			o = run(t, test.construct, strings.Join(d.servers, ","), args...)
			return o.code == test.code
		})
		if all := o.out + o.err; o.code != test.code || !strings.Contains(all, test.says) || strings.Contains(all, test.silent) {
			t.Errorf("%s: exit code %d, want %d, %q and no %q:\n%s%s", test.args, o.code, test.code, test.says, test.silent, o.out, o.err)
		}
	}
	s, o := statusOf(t, strings.Join(d.servers, ","), "--admin-port", d.admin, "--timeout", "20s")
	want := []string{"4lw"}
	if d.admins && !d.words {
		want = append(want, "admin")
	}
	for _, m := range s.Members {
		if !slices.Equal(m.Doors, want) || tells != (m.Sessions != nil) || tells != (m.Uptime != nil) {
			t.Errorf("doors %v, sessions %v, uptime %v: %s", m.Doors, m.Sessions, m.Uptime, o.out)
		}
	}
}

func TestDoorsOfEmbeddedMembers(t *testing.T) {
	for whitelist, open := range map[string]bool{"*": true, "srvr": false} {
		t.Run(whitelist, func(t *testing.T) {
			t.Parallel()
			e := embedded(t, 3, map[string]string{"4lw.commands.whitelist": whitelist})
			d := doors{words: open, admin: "1"}
			for _, m := range e.Members() {
				d.servers = append(d.servers, m.Addr())
			}
			d.check(t)
			sameBytes(t, d.servers[0])
		})
	}
}

var numbers = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+(\.[0-9]+)?`)

// sameBytes compares what 4lw --raw prints with what the port answers, except for numbers that change.
func sameBytes(t *testing.T, addr string) {
	t.Helper()
	for _, w := range fourletter.Words {
		args, ask := []string{w, "--raw", "-y"}, w
		if w == "stmk" {
			args, ask = []string{w, "306", "--raw", "-y"}, w+string(binary.BigEndian.AppendUint64(nil, 306))
		}
		var before string
		var o output
		same := await.Within(20*time.Second, func() bool { // connections take time to end
			before, o = dial(t, addr, ask), run(t, newWordCommand, addr, args...)
			return sameBut(before, o.out, dial(t, addr, ask))
		})
		if o.code != 0 || o.err != "" || !same {
			t.Errorf("%s: exit code %d, %s\n%q, want\n%q", w, o.code, o.err, o.out, before)
		}
	}
	if len(answer.Words) != len(fourletter.Words) {
		t.Errorf("%d words are known, of %d", len(answer.Words), len(fourletter.Words))
	}
}

// sameBut reports whether the three texts are the same except for numbers that differ between the first and the last.
func sameBut(before, text, after string) bool {
	a, b, c := numbers.FindAllString(before, -1), numbers.FindAllString(text, -1), numbers.FindAllString(after, -1)
	if len(a) != len(b) || len(b) != len(c) || numbers.ReplaceAllString(before, "#") != numbers.ReplaceAllString(text, "#") {
		return false
	}
	for i := range a {
		if a[i] == c[i] && a[i] != b[i] {
			return false
		}
	}
	return true
}
