package cmd

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// What a verb does in the table of TestGuardOfEveryVerb.
const (
	refused = "a guard refuses it before anything is sent"
	allowed = "it changes nothing of the ensemble"
	aside   = "it is about files or this machine"
)

// everyVerb has a line for each verb, and more for those whose options decide. SERVER is the ensemble's address, ADMIN
// the port of its AdminServer, DIR an empty folder.
var everyVerb = map[string][][2]string{
	// znode commands
	"ls": {{"ls -s /guard", allowed}, {"ls -R -w /guard", allowed}}, "get": {{"get -w /guard/a", allowed}}, "stat": {{"stat /guard", allowed}},
	"getAllChildrenNumber": {{"getAllChildrenNumber /guard", allowed}}, "getEphemerals": {{"getEphemerals", allowed}},
	"exists": {{"exists /guard", allowed}},
	"find": {{"find /guard", allowed}, {"find /guard --name a --delete --dry-run", allowed}, {"find /guard --name a --delete", refused},
		{"find prod:/guard --name a --delete", refused}, {"find zk://SERVER/guard --name a --delete", refused}},
	"grep": {{"grep x /guard", allowed}}, "du": {{"du /guard", allowed}}, "tree": {{"tree /guard", allowed}}, "summary": {{"summary /guard", allowed}},
	"create": {{"create /guard/new x", refused}, {"create -s -e /guard/new x", refused}, {"create -c /guard/new", refused}, {"create -t 1000 /guard/new", refused}},
	"set":    {{"set /guard/a y", refused}, {"set /guard/a --jq 1", refused}, {"set /guard/a y --dry-run", allowed}},
	"edit":   {{"edit /guard/a", refused}}, "apply": {{"apply -f /dev/null", refused}, {"apply -f /dev/null --prune", refused}, {"apply -f /dev/null --dry-run", allowed}},
	"touch":  {{"touch /guard/a", refused}},
	"delete": {{"delete /guard/a", refused}, {"delete /guard/*", refused}, {"delete /guard/a --dry-run", allowed}}, "deleteall": {{"deleteall /guard", refused}, {"deleteall -b 0 /guard", refused},
		{"deleteall /guard --trash DIR/trash", refused}, {"deleteall /guard --dry-run", allowed}},
	"multi":  {{"multi 'create /guard/new x' 'check /guard 0'", refused}, {"multi 'check /guard 0'", refused}},
	"getAcl": {{"getAcl /guard", allowed}}, "setAcl": {{"setAcl /guard world:anyone:r -y", refused}, {"setAcl -R /guard world:anyone:cdrwa", refused},
		{"setAcl /guard +ip:10.0.0.1:r", refused}, {"setAcl -R /guard +ip:10.0.0.1:r", refused}, {"setAcl -R /guard world:anyone:r --dry-run", allowed}},
	"addauth": {{"addauth digest u:p", allowed}}, "whoami": {{"whoami", allowed}},
	"setquota": {{"setquota -n 5 /guard", refused}}, "listquota": {{"listquota /guard", allowed}}, "delquota": {{"delquota /guard", refused}},
	"addWatch": {{"addwatch /guard", allowed}}, "removewatches": {{"removewatches /guard", allowed}}, "printwatches": {{"printwatches off", allowed}},
	"connect": {{"connect", allowed}}, "close": {{"close", allowed}}, "sync": {{"sync /guard", allowed}}, "config": {{"config", allowed}},
	"reconfig": {{"reconfig -remove 9", refused}},
	"cd":       {{"cd /guard", allowed}}, "pwd": {{"pwd", allowed}}, "history": {{"history", allowed}}, "redo": {{"redo 99", allowed}}, "help": {{"help", allowed}},
	"time": {{"time touch /guard/a", refused}}, "repeat": {{"repeat 2 touch /guard/a", refused}}, "source": {{"source DIR/none", allowed}},
	"alias": {{"alias", allowed}}, "clear": {{"clear", allowed}},
	"watch": {{"watch /guard --timeout 100ms", allowed}, {"watch -R prod:/guard --timeout 100ms", allowed}}, "wait": {{"wait /guard --exists", allowed}},
	"lock": {{"lock /guard/lock -- true", refused}}, "elect": {{"elect /guard/leader -- true", refused}},
	"locks": {{"locks /guard", allowed}}, "services": {{"services /guard", allowed}},
	"version": {{"version", allowed}}, "quit": {{"quit", allowed}},
	// copies
	"cp": {{"cp /guard/a zk://SERVER/guard/copy", refused}, {"cp /guard/a /guard/copy", refused}, {"cp /guard /guard/a --on-conflict overwrite --no-children", refused},
		{"cp /guard/a /guard/copy --dry-run", allowed}},
	"import": {{"import DIR/none.jsonl", aside}, {"import DIR/none.jsonl /guard/new", refused}, {"import DIR/none.jsonl zk://SERVER/guard/new", refused}},
	"mirror": {{"mirror /guard/a /guard/copy --once", refused}, {"mirror /guard/a zk://SERVER/guard/copy --once", refused}},
	"mv":     {{"mv /guard/a /guard/moved", refused}, {"mv /guard/a zk://SERVER/guard/moved", refused}, {"mv /guard/a /guard/moved --dry-run", allowed}},
	"export": {{"export /guard -O DIR/guard.jsonl", allowed}}, "diff": {{"diff /guard prod:/guard", allowed}},
	"backup create": {{"backup create DIR/backups /guard", allowed}}, "backup ls": {{"backup ls DIR", aside}}, "backup prune": {{"backup prune DIR --keep 1", aside}},
	"backup restore": {{"backup restore DIR/backups latest /guard/restored", refused}, {"backup restore DIR latest --data-dir DIR/restored", aside}}, "backup verify": {{"backup verify DIR", aside}},
	// ensembles
	"ensemble status": {{"ensemble status --admin-port 0", allowed}},
	"ensemble health": {{"ensemble health --admin-port 0", allowed}, {"ensemble health --admin-port 0 --canary", refused}},
	"ensemble verify": {{"ensemble verify --admin-port 0", allowed}, {"ensemble verify --deep --admin-port 0", allowed}},
	"ensemble restart": {{"ensemble restart --rolling --exec 'touch DIR/restarted' -y --admin-port 0", refused},
		{"ensemble restart --rolling --exec 'touch DIR/restarted' --dry-run --admin-port 0", allowed}},
	"ensemble doctor": {{"ensemble doctor --admin-port 0", allowed}}, "ensemble exporter": {{"ensemble exporter --listen nowhere", allowed}},
	"ensemble bundle": {{"ensemble bundle -O DIR/bundle.tar.gz --admin-port ADMIN", allowed}},
	"bench":           {{"bench get --duration 10ms --warm-up 0", refused}, {"bench --clean", refused}},
	"top":             {{"top --once --admin-port 0 --interval 10ms", allowed}},
	"4lw":             {{"4lw srvr --admin-port 0", allowed}, {"4lw srst -y", refused}, {"4lw crst -y --via admin --admin-port ADMIN", refused}, {"4lw stmk 0x132 -y", refused}, {"4lw srst -y --raw", refused}},
	"admin": {{"admin leader --admin-port ADMIN", allowed}, {"admin --admin-port ADMIN", allowed}, {"admin stat_reset -y --admin-port ADMIN", refused},
		{"admin srst -y --admin-port ADMIN", refused}, {"admin set_trace_mask traceMask=1 -y --admin-port ADMIN", refused}, {"admin of_another_release --admin-port ADMIN", refused}},
	"session ls": {{"session ls --admin-port 0", allowed}}, "session show": {{"session show 0x1 --admin-port 0", allowed}},
	"session owner": {{"session owner /guard --admin-port 0", allowed}}, "session decode": {{"session decode 0x1", aside}},
	"session trace": {{"session trace 0x1 DIR/none.log", aside}},
	// this machine: the local server dev is the ensemble
	"local add": {{"local add dev", refused}}, "local heal": {{"local heal dev", refused}}, "local kill": {{"local kill dev leader", refused}},
	"local partition": {{"local partition dev 1", refused}}, "local pause": {{"local pause dev 1", refused}}, "local remove": {{"local remove dev 1", refused}},
	"local restart": {{"local restart dev", refused}, {"local restart dev 1", refused}}, "local resume": {{"local resume dev 1", refused}},
	"local rm": {{"local rm --force dev", refused}}, "local stop": {{"local stop dev", refused}, {"local stop dev 1", refused}},
	"local logs": {{"local logs dev", aside}}, "local ls": {{"local ls", aside}}, "local status": {{"local status dev", aside}},
	"local run": {{"local run --size 0", aside}}, "local start": {{"local start --size 0 other", aside}}, "local shell": {{"local shell none", aside}},
	"server": {{"server status DIR/zoo.cfg", aside}}, "server supervise": {{"server supervise DIR/zoo.cfg", aside}},
	"completion": {{"completion bash", aside}}, "man": {{"man DIR", aside}},
	"check disk": {{"check disk DIR --duration 10ms", aside}}, "check net": {{"check net --count 1", allowed}},
	"check perf":  {{"check perf --duration 10ms -y", refused}},
	"certs check": {{"certs check DIR/none.pem", aside}}, "certs new": {{"certs new DIR/certs --password-file DIR/none", aside}},
	"log elections": {{"log elections DIR", aside}}, "log explain": {{"log explain x", aside}}, "log grep": {{"log grep x DIR", aside}},
	"log merge": {{"log merge DIR", aside}}, "log sessions": {{"log sessions DIR", aside}}, "log summary": {{"log summary DIR", aside}},
	"log timeline": {{"log timeline DIR", aside}},
	"report":       {{"report DIR -O DIR/report.html", aside}}, "logformatter": {{"logformatter DIR/none", aside}},
	"txnlog chop": {{"txnlog chop 0x1 DIR/none DIR/chopped", aside}}, "txnlog dump": {{"txnlog dump DIR", aside}}, "txnlog history": {{"txnlog history / DIR", aside}},
	"txnlog recover": {{"txnlog recover DIR/none", aside}}, "txnlog sessions": {{"txnlog sessions DIR", aside}}, "txnlog stats": {{"txnlog stats DIR", aside}},
	"txnlog verify": {{"txnlog verify DIR", aside}},
	"snapshot at":   {{"snapshot at DIR", aside}}, "snapshot compare": {{"snapshot compare -l DIR/a -r DIR/b -b 1 -n 1", aside}},
	"snapshot diff": {{"snapshot diff DIR/a DIR/b", aside}}, "snapshot dump": {{"snapshot dump DIR/none", aside}}, "snapshot purge": {{"snapshot purge DIR -n 3", aside}},
	"snapshot summary": {{"snapshot summary DIR/none", aside}}, "snapshot verify": {{"snapshot verify DIR", aside}},
}

// TestGuardOfEveryVerb: a profile with guard: readonly cannot change anything by any verb, on the command line, in the
// shell, by connect, by an address, in a location or by completion. What clients send is recorded on its way, so that a
// change which the server would refuse counts, too.
func TestGuardOfEveryVerb(t *testing.T) {
	ownState(t)
	fill(t, "/guard", "/guard/a", "/guard/b")
	r := newRecorder(t, apachetest.Shared(t).Addr())
	dev := filepath.Join(string(localHome()), "dev", "server.json")
	if err := errors.Join(os.MkdirAll(filepath.Dir(dev), 0o700), os.WriteFile(dev, fmt.Appendf(nil, `{"connectString":%q}`, r.addr), 0o600)); err != nil {
		t.Fatal(err)
	}
	config := writeFile(t, "config.yaml", fmt.Sprintf("profiles:\n  prod: {server: %q, guard: readonly}\n  empty: {}\n", r.addr), 0o600)
	Execute(t.Context(), []string{"-server", apachetest.Shared(t).Addr(), "setquota", "-n", "9", "/guard"}, discard())
	dir := t.TempDir()
	place := strings.NewReplacer("SERVER", r.addr, "ADMIN", r.admin, "DIR", dir)
	run := func(words []string, script string, options ...string) string {
		var out, errOut bytes.Buffer
		s := &ui.Streams{In: strings.NewReader(script), Out: &out, Err: &errOut, Width: 80}
		exit := Execute(t.Context(), slices.Concat([]string{"-config", config, "-timeout", "5s"}, options, words), s)
		return fmt.Sprintf("exit %d\n%s%s", exit, out.String(), errOut.String())
	}
	check := func(how, line, want, got string) {
		t.Helper()
		if sent := r.changes(); len(sent) > 0 {
			t.Errorf("%s, %s: the guard let pass %v", how, line, sent)
		}
		if says := strings.Contains(got, "is guarded: readonly; nothing was sent"); says != (want == refused) || strings.HasPrefix(got, "exit 0") && says {
			t.Errorf("%s, %s: %s, but got %s", how, line, want, got)
		}
		if want == refused && how != "-guard" && !strings.Contains(got, `"prod" is guarded`) && !strings.Contains(got, `"dev" is guarded`) {
			t.Errorf("%s, %s: whose guard? %s", how, line, got)
		}
	}
	known := map[string]bool{}
	for _, verb := range allVerbs(t) {
		known[verb] = true
		if everyVerb[verb] == nil {
			t.Errorf("everyVerb lacks %q: may it change an ensemble?", verb)
		}
	}
	for _, verb := range slices.Sorted(maps.Keys(everyVerb)) {
		if !known[verb] {
			t.Errorf("everyVerb has %q, which is no verb", verb)
		}
		for _, c := range everyVerb[verb] {
			line, want := place.Replace(c[0]), c[1]
			tokens, err := command.Lex(line)
			if err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, w := range command.Words(tokens) {
				words = append(words, w.Text)
			}
			check("-profile", line, want, run(words, "", "-profile", "prod"))
			if want != refused {
				continue
			}
			check("-server", line, want, run(words, "", "-server", r.addr))
			check("connect", line, want, run(nil, "connect prod\n"+line+"\n", "-server", "localhost:1"))
			check("connect, by an address", line, want, run(nil, "connect "+r.addr+"\n"+line+"\n", "-profile", "empty", "-server", "localhost:1"))
			if !strings.Contains(line, "prod:") {
				check("-guard", line, want, run(words, "", "-server", r.addr, "-guard", "readonly", "-config", writeFile(t, "none.yaml", "", 0o600)))
			}
		}
	}
	for _, typed := range []string{"delete /gua", "find prod:/gua", "find zk://" + r.addr + "/gua", "ls /guard/", "set /guard/a "} {
		words := strings.Split(typed, " ")
		a := newApp(discard())
		_ = a.flags.Parse([]string{"--config=" + config, "--profile=prod"})
		a.candidates(t.Context(), words[:len(words)-1], words[len(words)-1])
		check("completion", typed, allowed, "")
	}
	if _, err := os.Stat(filepath.Join(dir, "restarted")); err == nil {
		t.Error("ensemble restart ran its command")
	}
}

// allVerbs returns the names of all commands, and of all verbs and subcommands that do something by themselves.
func allVerbs(t *testing.T) (names []string) {
	for _, c := range commands.All {
		names = append(names, c.Name)
	}
	a := newApp(discard())
	for _, v := range a.verbs() {
		each(v.Tree(a.env()), func(c *cobra.Command) {
			if !c.HasAvailableSubCommands() || c.Args == nil || c.Name() == "server" {
				names = append(names, strings.TrimPrefix(c.CommandPath(), "zkctl "))
			}
		})
	}
	return names
}

// recorder passes on what clients send to a server, and notes what would change something. Its AdminServer answers
// every command.
type recorder struct {
	addr, admin string
	mu          sync.Mutex
	sent        []string
}

func newRecorder(t *testing.T, server string) *recorder {
	r := &recorder{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r.addr = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(c, server)
		}
	}()
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		name := filepath.Base(q.URL.Path)
		if strings.Contains(name, "reset") || strings.Contains(name, "set_") || name == "srst" || name == "of_another_release" || q.Method != http.MethodGet {
			r.note(name)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"command":%q,"error":null}`, name)
	}))
	t.Cleanup(admin.Close)
	u, _ := url.Parse(admin.URL)
	r.admin = u.Port()
	return r
}

func (r *recorder) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, what)
}

// changes returns what was noted, and forgets it.
func (r *recorder) changes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

func (r *recorder) pass(c net.Conn, server string) {
	defer c.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		_, _ = io.Copy(c, s)
		c.Close()
	}()
	in := bufio.NewReader(c)
	for first := true; ; first = false {
		head, err := in.Peek(4)
		if err != nil {
			return
		}
		if first && head[0] >= 'a' { // a four-letter word
			if word := string(head); word == "srst" || word == "crst" || word == "stmk" {
				r.note(word)
			}
			_, _ = io.Copy(s, in)
			return
		}
		frame := make([]byte, 4+binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		if !first && len(frame) >= 12 {
			if op := proto.Op(binary.BigEndian.Uint32(frame[8:])); op.Writes() && op != proto.OpCloseSession {
				r.note(op.String())
			}
		}
		if _, err := s.Write(frame); err != nil {
			return
		}
	}
}

// TestGuardConfirm: what destroys something wants the name typed on a terminal, once a command, and -y elsewhere.
func TestGuardConfirm(t *testing.T) {
	fill(t, "/confirm", "/confirm/a", "/confirm/b", "/confirm/c")
	r := newRecorder(t, apachetest.Shared(t).Addr())
	config := writeFile(t, "config.yaml", fmt.Sprintf("profiles:\n  prod: {server: %q, guard: confirm}\n", r.addr), 0o600)
	for _, tc := range []struct {
		name, line string
		typed      string // on a terminal; "-" without one
		sent       string
		says       string
	}{
		{"nothing is lost", "create /confirm/d x", "-", "create2", "Created /confirm/d"},
		{"no terminal", "delete /confirm/d", "-", "", "-y confirms it; nothing was sent"},
		{"no terminal, -y", "delete -y /confirm/d", "-", "delete", ""},
		{"another name", "set /confirm/a y", "y\n", "", `set the data of /confirm/a: refused, because "prod" is guarded: confirm; not confirmed; nothing was sent`},
		{"no answer", "set /confirm/a y", "", "", "not confirmed"},
		{"the name", "set /confirm/a y", "prod\n", "setData", "prod is guarded. To set the data of /confirm/a, type prod: "},
		{"the name, in spite of -y", "-y set /confirm/a z", "\n", "", "not confirmed"},
		{"once for many", "delete /confirm/a /confirm/b", "prod\n", "delete delete", "prod is guarded. To delete 2 znodes, type prod: "},
		{"a tree", "deleteall /confirm", "prod\n", "multi", "prod is guarded. To delete /confirm and the 1 znode below it, type prod: "},
		{"a verb", "4lw srst --admin-port 0", "nope\n", "", "not confirmed"},
		{"a verb without a terminal", "4lw srst --admin-port 0 -y", "-", "srst", ""},
	} {
		var out, errOut bytes.Buffer
		s := &ui.Streams{In: strings.NewReader(strings.TrimPrefix(tc.typed, "-")), InTTY: tc.typed != "-", Out: &out, Err: &errOut, Width: 80}
		Execute(t.Context(), append([]string{"-config", config, "-profile", "prod"}, strings.Fields(tc.line)...), s)
		if sent := strings.Join(r.changes(), " "); sent != tc.sent || !strings.Contains(errOut.String(), tc.says) || strings.Count(errOut.String(), "type prod") > 1 {
			t.Errorf("%s: sent %q, want %q: %s", tc.name, sent, tc.sent, errOut.String())
		}
	}
}

// TestGuardsOfAddresses: a profile's guard counts for its servers, however they are written, unless another profile says
// otherwise of itself.
func TestGuardsOfAddresses(t *testing.T) {
	ownState(t)
	config := writeFile(t, "config.yaml", "profiles:\n"+
		"  prod: {server: \"ZK1:2181,10.0.0.7,localhost:2181/app\", guard: readonly, prompt-color: red}\n"+
		"  write: {server: \"zk1:2181\", guard: none}\n"+
		"  ask: {server: \"zk1:2181\", guard: confirm}\n"+
		"  same: {server: \"zk1:2181\"}\n"+
		"  other: {server: \"zk9:2181\"}\n", 0o600)
	for args, want := range map[string]string{
		"-profile prod":                      "prod readonly red",
		"-server zk1":                        "prod readonly red",
		"-server zk1:2181/elsewhere":         "prod readonly red",
		"-server zk5,zk1.":                   "prod readonly red",
		"-server 10.0.0.7:2181":              "prod readonly red",
		"-server 127.0.0.1":                  "prod readonly red",
		"-server [::1]:2181":                 "prod readonly red",
		"-server zk1:2182":                   " none ",
		"-profile write":                     "write none ",
		"-profile ask":                       "ask confirm ",
		"-profile same":                      "prod readonly red",
		"-profile other":                     "other none ",
		"-profile other -guard confirm":      "other confirm ",
		"-profile prod -guard none":          "prod readonly red",
		"-profile write -guard readonly":     "write readonly ",
		"-profile write -server 10.0.0.7":    "prod readonly red",
		"-profile other -prompt-color green": "other none green",
		"-profile prod -server zk8":          "prod readonly red",
		"-server zk8 -guard readonly":        " readonly ",
		"-profile prod -prompt-color blue":   "prod readonly blue",
	} {
		o, _, err := settled(t, config, strings.Fields(args)...)
		if err != nil {
			t.Fatal(err)
		}
		cfg := client.Config{Servers: o.Server, Guard: o.guard, Guards: o.guards}
		g := cfg.GuardOf()
		if got := fmt.Sprintf("%s %v %s", g.Profile, g.Level, g.Color); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
	for text, want := range map[string]string{"guard: strict": "use none, confirm, readonly", "prompt-color: pink": "use black, red"} {
		if _, _, err := settled(t, writeFile(t, "config.yaml", "profiles:\n  prod:\n    "+text+"\n", 0o600)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
