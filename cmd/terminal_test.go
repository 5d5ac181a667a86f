//go:build unix

package cmd

import (
	"encoding/json"
	"fmt"
	"hash/adler32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/creack/pty"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/authority"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jute"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
)

// onTerminal is a run of a process on its own terminal of 200 columns.
type onTerminal struct {
	t    *testing.T
	cmd  *exec.Cmd
	tty  *os.File
	mu   sync.Mutex
	cond *sync.Cond
	raw  []byte // what the terminal received
	over bool
}

func startOnTerminal(t *testing.T, cmd *exec.Cmd) *onTerminal {
	t.Helper()
	o := &onTerminal{t: t, cmd: cmd}
	o.cond = sync.NewCond(&o.mu)
	cmd.Stderr = nil
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	o.tty = tty
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := tty.Read(buf)
			o.mu.Lock()
			o.raw = append(o.raw, buf[:n]...)
			o.over = err != nil
			o.cond.Broadcast()
			o.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = tty.Close(); _ = cmd.Wait() })
	return o
}

// await waits until the output since from is as wanted, and returns its end.
func (o *onTerminal) await(from int, ok func(text string) bool) int {
	o.t.Helper()
	patience := time.AfterFunc(30*time.Second, func() { o.mu.Lock(); o.over = true; o.cond.Broadcast(); o.mu.Unlock() })
	defer patience.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !ok(string(o.raw[from:])) {
		if o.over {
			o.t.Fatalf("what is awaited does not show: %q", o.raw[from:])
		}
		o.cond.Wait()
	}
	return len(o.raw)
}

// end waits until the process ends and returns everything that the terminal received.
func (o *onTerminal) end() string {
	o.t.Helper()
	patience := time.AfterFunc(time.Minute, func() {
		o.t.Errorf("%q does not end", o.cmd.Args)
		_ = o.cmd.Process.Kill()
	})
	defer patience.Stop()
	o.mu.Lock()
	for !o.over {
		o.cond.Wait()
	}
	o.mu.Unlock()
	return string(o.raw)
}

func (o *onTerminal) type_(text string) {
	if _, err := io.WriteString(o.tty, text); err != nil {
		o.t.Error(err)
	}
}

// ours are the control sequences that zkctl uses.
var ours = regexp.MustCompile(`\x1b\[(\??[0-9;]*)[A-Za-z]|\x1b[78]`)

// progressLine is the progress of a run, which shows on a slow machine.
var progressLine = regexp.MustCompile(`\r[^\r\n\x1b]*\x1b\[K`)

// harmless fails the test if something from outside reached the terminal that it would obey, or
// that forges a line.
func harmless(t *testing.T, what, raw string) {
	t.Helper()
	if strings.Contains(raw, "\x1b[31;44;5m") {
		t.Errorf("%s: a colour from outside", what)
	}
	text := ours.ReplaceAllString(raw, "")
	if strings.Contains(text, "\nNAMEFORGED") {
		i := strings.Index(text, "\nNAMEFORGED")
		t.Errorf("%s: a name begins a line of its own: %q", what, text[max(0, i-200):min(len(text), i+20)])
	}
	text = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(text)
	if !utf8.ValidString(text) {
		t.Errorf("%s: bytes that are not UTF-8", what)
	}
	if i := strings.IndexFunc(text, escape.Obeyed); i >= 0 {
		t.Errorf("%s: the terminal gets %q", what, text[max(0, i-40):min(len(text), i+40)])
	}
	still := progressLine.ReplaceAllString(raw, "")
	if over := regexp.MustCompile(`\r[^\r\n]`).FindString(strings.ReplaceAll(ours.ReplaceAllString(still, ""), "\r\n", "\n")); over != "" && !strings.Contains(what, "shell") {
		t.Errorf("%s: a line is written over: %q", what, over)
	}
}

// evilLines are lines of every znode command; those of a command that prints something from
// the server begin with !.
var evilLines = map[string][]string{
	"ls":                   {"!ls /", "!ls -s /", "!ls -R /", "!ls -R -w /", "!ls2 /", "!ls -o json /", "ls /none"},
	"get":                  {"get /x", "!get -n /x", "get -b /x", "get -x /x", "get -s /text", "!get /e*", "!get /*", "get /none", "get -o json /x", "get /x --jq .", "get /text --jq ."},
	"stat":                 {"stat /", "!stat /*", "stat /none"},
	"getAllChildrenNumber": {"getAllChildrenNumber /"},
	"getEphemerals":        {"!getEphemerals", "!getEphemerals -o json"},
	"exists":               {"exists /", "exists /none", "exists / -o json"},
	"touch":                {"touch /x", "touch /*", "touch /none"},
	"watch":                {"watch / --count 1 --timeout 100ms --value", "!watch -R / --timeout 1s", "watch / --stat --timeout 100ms -o json"},
	"wait":                 {"wait / --data x --timeout 100ms", "wait /none --exists --timeout 100ms"},
	"lock":                 {"lock /none --timeout 100ms -- true"},
	"elect":                {"elect /none --timeout 100ms -- true"},
	"locks":                {"locks /", "locks / -o json"},
	"services":             {"services /", "services / -o json"},
	"find":                 {"!find /", "!find / --size -1", "!find / --print0", "find / -o json", "find /none", "find / --delete"},
	"grep":                 {"!grep -i DATA /", "!grep -v x /", "!grep -l . /", "!grep -c . /", "grep . / -o json", "!grep --names evil /", "!grep -C 1 LINE /", "grep '(' /"},
	"du":                   {"du /", "!du --top 9 /", "du / -o json"},
	"tree":                 {"!tree /", "!tree -L 1 --max-children 3 /", "tree / -o json"},
	"summary":              {"!summary /", "summary / -o json"},
	"create":               {"!create /y x", "!create -s /y x", "!create -o json /y x", "create /none"},
	"set":                  {"set /x y", "set -s /x y", "set /x y --dry-run", "set /text y --dry-run", "set /text --jq ."},
	"apply":                {"apply -f /none"},
	"edit":                 {"edit -y /x", "edit -y /text", "edit /none"},
	"delete":               {"delete /x", "!delete /e* --dry-run"},
	"deleteall":            {"deleteall -y /x", "deleteall /none", "!deleteall /e* --dry-run"},
	"multi":                {"!multi 'create /y x' 'delete /x'"},
	"getAcl":               {"!getAcl /", "!getAcl -s /", "!getAcl -o json /"},
	"setAcl":               {"setAcl -y /x world:anyone:r", "setAcl -R /x world:anyone:cdrwa", "!setAcl /x world:anyone:r --dry-run", "setAcl -y /x +world:anyone:r"},
	"addauth":              {"addauth digest u:p"},
	"whoami":               {"!whoami", "!whoami -o json"},
	"setquota":             {"setquota -n 5 /x"},
	"listquota":            {"listquota /x"},
	"delquota":             {"delquota /x"},
	"addWatch":             {"addWatch /"},
	"removewatches":        {"removewatches /"},
	"printwatches":         {"printwatches"},
	"connect":              {},
	"close":                {},
	"sync":                 {"sync /"},
	"config":               {"!config", "config -c"},
	"reconfig":             {"!reconfig -remove 3"},
	"cd":                   {"cd /", "cd /none"},
	"pwd":                  {"pwd"},
	"history":              {"history"},
	"redo":                 {},
	"alias":                {"alias"},
	"source":               {"source none"},
	"repeat":               {"!repeat 2 ls /", "repeat 2 get /none"},
	"time":                 {"!time ls /", "time get /none"},
	"clear":                {},
	"help":                 {"help"},
	"version":              {"version"},
	"quit":                 {},
}

// TestTerminalObeysNobody runs every command and verb on a terminal, with a server whose
// names, data and ids are hostile, with such files and such logs.
func TestTerminalObeysNobody(t *testing.T) {
	server := evil(t)
	t.Setenv("VISUAL", "sed -i $d") // an editor that deletes the last line
	t.Run("znode commands", func(t *testing.T) {
		for _, c := range commands.All {
			if _, ok := evilLines[c.Name]; !ok {
				t.Errorf("%s has no line in evilLines", c.Name)
			}
		}
		for name, lines := range evilLines {
			for _, line := range lines {
				line, shows := strings.CutPrefix(line, "!")
				for _, color := range []string{"never", "always"} {
					script := filepath.Join(t.TempDir(), "script")
					if err := os.WriteFile(script, []byte(line+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
					cmd, _ := process(t, "-server", server.addr, "-color", color, "-f", script)
					raw := startOnTerminal(t, cmd).end()
					harmless(t, line, raw)
					if shows && !strings.Contains(raw, `PWNED`) {
						t.Errorf("%s (%s) prints nothing from the server: %q", line, name, raw)
					}
				}
			}
		}
	})
	t.Run("one-shot", func(t *testing.T) {
		for _, args := range [][]string{{"ls", "/"}, {"get", "/*"}, {"get", "-n", "/x"}, {"-v", "getAcl", "/"}, {"-o", "json", "get", "/*"}, {"get", "/" + evilName}, {obeyed}, {"--" + obeyed}} {
			cmd, _ := process(t, append([]string{"-server", server.addr}, args...)...)
			harmless(t, fmt.Sprintf("%q", args), startOnTerminal(t, cmd).end())
		}
	})
	t.Run("data stays readable", func(t *testing.T) {
		cmd, _ := process(t, "-server", server.addr, "get", "/text")
		if raw := startOnTerminal(t, cmd).end(); !strings.Contains(raw, "text \\u202e\\u061c\\u2029\r\nDATA LINE\t!\r\r\n") {
			t.Errorf("%q", raw)
		}
	})
	t.Run("verbs", func(t *testing.T) { evilVerbs(t, server) })
}

// evilFiles creates a data directory with hostile names, data and ids.
func evilFiles(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "log.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := storage.NewRawLogWriter(f, proto.FileHeader{Magic: proto.LogMagic, Version: proto.LogVersion})
	acl := []proto.ACL{{Perms: 31, ID: proto.ID{Scheme: "x" + evilName, ID: evilName}}}
	path := "/" + evilName
	for i, txn := range []struct {
		op   proto.Op
		body jute.Record
	}{
		{proto.OpCreateSession, &proto.CreateSessionTxn{TimeOut: 30000}},
		{proto.OpCreate, &proto.CreateTxn{Path: path, Data: []byte(evilData), ACL: acl, ParentCVersion: 1}},
		{proto.OpCreate, &proto.CreateTxn{Path: path + "/below", Data: []byte(evilData), ACL: acl, ParentCVersion: 1}},
		{proto.OpSetData, &proto.SetDataTxn{Path: path, Data: []byte(evilText), Version: 1}},
		{proto.OpSetACL, &proto.SetACLTxn{Path: path, ACL: acl, Version: 1}},
		{proto.OpCreate, &proto.CreateTxn{Path: "/e" + evilName, ACL: acl, Ephemeral: true, ParentCVersion: 2}},
		{proto.OpCloseSession, &proto.CloseSessionTxn{Paths2Delete: []string{"/e" + evilName}}},
	} {
		entry := proto.TxnEntry{Header: proto.TxnHeader{ClientID: 0x1000, Cxid: int32(i), Zxid: int64(i + 1), Time: 1.7e12, Type: txn.op}, Body: txn.body}
		raw := jute.Marshal(&entry)
		if err := w.WriteEntry(raw, int64(adler32.Checksum(raw))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// verbsWithout print nothing from outside, or nothing that the other verbs do not print.
var verbsWithout = regexp.MustCompile(`^(completion|ensemble (bundle|doctor|exporter|restart)|help|man|session decode|local (add|background|heal|kill|partition|pause|remove|restart|resume|rm|run|shell|start|stop)|server)`)

func evilVerbs(t *testing.T, server *hostile) {
	home := t.TempDir()
	data := filepath.Join(home, "version-2")
	for _, dir := range []string{data, filepath.Join(home, "state", "zkctl", "local", "dead")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	evilFiles(t, data)
	log := filepath.Join(data, "log.1")
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	text[60]++ // in the second transaction: a wrong checksum
	damaged := filepath.Join(home, "log.2")
	if err := os.WriteFile(damaged, text, 0o600); err != nil {
		t.Fatal(err)
	}
	snap := filepath.Join(home, "snapshot.7")
	if cmd, stderr := process(t, "snapshot", "at", data, "--write", snap); cmd.Run() != nil {
		t.Fatal(stderr)
	}
	old := filepath.Join(home, "snapshot.2")
	if cmd, stderr := process(t, "snapshot", "at", data, "--zxid", "2", "--write", old); cmd.Run() != nil {
		t.Fatal(stderr)
	}
	dead := filepath.Join(home, "state", "zkctl", "local", "dead")
	state, _ := json.Marshal(map[string]any{"name": "dead", "pid": 1, "dataDir": "/" + obeyed, "connectString": obeyed})
	for name, content := range map[string]string{"server.json": string(state), "server.log": strings.Repeat(evilData+"\n", 1000)} {
		if err := os.WriteFile(filepath.Join(dead, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	textLog := filepath.Join(home, "text.log")
	line := "2026-11-22 03:07:05,000 [myid:1] - INFO  [main:A@1] - "
	logged := line + strings.ReplaceAll(evilData, "\n", " ") + "\n" +
		line + "Established session 0x1 with negotiated timeout 1 for client " + obeyed + "\n" +
		line + "Exception when following the leader\njava.io.IOException: " + evilData + "\n" +
		line + "LOOKING\n"
	if err := os.WriteFile(textLog, []byte(logged), 0o600); err != nil {
		t.Fatal(err)
	}
	ca, err := authority.New(obeyed, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	cert := filepath.Join(home, "ca.pem")
	if err := os.WriteFile(cert, ca.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(server.addr, ":")
	odd := evil(t) // in its mode too, with which no verb but server status takes it for a server
	odd.words = strings.Replace(odd.words, "follower", "evil"+obeyed, 1)
	_, oddPort, _ := strings.Cut(odd.addr, ":")
	cfg := filepath.Join(home, "zoo.cfg")
	if err := os.WriteFile(cfg, []byte("dataDir="+home+"\nclientPort="+oddPort+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	member := func(args ...string) []string {
		return append(args, "--members", server.addr, "--admin-port", "0", "--timeout", "2s")
	}
	lines := map[string][][]string{
		"txnlog dump": {{"!", log}, {"!", "--format", "logformatter", log}, {"!", "-o", "json", log}, {"!", "--tail", "3", log},
			{"!", damaged}, {"!", obeyed}},
		"txnlog recover":   {{"!", "-y", "-v", damaged}},
		"txnlog chop":      {{"3", log, filepath.Join(home, "chopped")}},
		"txnlog stats":     {{"!", log}, {"!", "-o", "json", log}},
		"txnlog verify":    {{data}, {damaged}, {"!", obeyed}},
		"txnlog history":   {{"!", "-R", "/", data}, {"!", "-R", "-o", "json", "/", data}, {"!", "-R", "--data", "text", "/", log}},
		"txnlog sessions":  {{data}, {"!", "-o", "json", data}, {"!", "--session", "0x1000", data}},
		"logformatter":     {{"!", log}},
		"snapshot at":      {{"!", data}, {"!", data, "--tree"}},
		"snapshot compare": {{"!", "-l", old, "-r", snap, "-b", "0", "-n", "0", "-d"}},
		"snapshot diff":    {{"!", old, snap}, {"!", "--values", old, snap}, {"!", "-o", "json", old, snap}},
		"snapshot dump":    {{"!", snap}, {"!", "--data", "text", snap}, {"!", "--tree", snap}, {"!", "-o", "json", snap}, {"!", "--json", snap}},
		"snapshot purge":   {{"-n", "3", data}},
		"snapshot summary": {{"!", snap, "/", "3"}, {"!", "--top", "5", snap}, {"!", "-o", "json", snap}},
		"snapshot verify":  {{snap}, {"!", obeyed}},
		"4lw":              {member("!", "srvr"), member("!", "mntr", "--columns"), member("cons", "-o", "json"), member("!", "dump"), member("!", "srvr", "--raw"), member(obeyed)},
		"log explain":      {{"!", evilData}, {"!", "-o", "json", evilData}, {"!", obeyed + " LEADING - LEADER ELECTION TOOK - 5"}},
		"log timeline":     {{"!", "--all", textLog}, {"!", "-o", "json", "--all", textLog}},
		"log merge":        {{"!", textLog}, {"!", "-o", "json", textLog}},
		"log elections":    {{"!", textLog}, {"!", "-o", "json", textLog}},
		"log sessions":     {{"!", "--all", textLog}, {"!", "-o", "json", textLog}},
		"log grep":         {{"!", "PWNED", textLog}, {obeyed, textLog}},
		"log summary":      {{"!", "--dates", "ymd", textLog}, {"!", "-o", "json", textLog}, {"!", obeyed}},
		"report":           {{data, damaged, textLog, "-O", filepath.Join(home, "report.html")}, {"!", obeyed, "-O", filepath.Join(home, "none.html")}},
		"certs check":      {{"!", cert}, {"!", "-o", "json", cert}, {obeyed}},
		"certs new":        {{filepath.Join(home, obeyed)}},
		"check disk":       {{"--duration", "10ms", home}, {obeyed}},
		"check net":        {{"--count", "1", server.addr}, {obeyed}},
		"check perf":       {{"--duration", "10ms"}, {"--load", obeyed}},
		"admin":            {{"--admin-port", port, "--members", server.addr}},
		"ensemble health":  {member(), member("--format", "nagios"), member("--format", "prometheus"), member("--canary")},
		"ensemble status":  {member("!"), member("-o", "json")},
		"ensemble verify":  {member(), member("--deep", "/")},
		"top":              {member("--once"), member("--once", "-o", "json")},
		"bench":            {{"--clean", "--path", "/"}, {"--duration", "50ms", "--warm-up", "0", "--through", obeyed}, {obeyed}},
		"session ls":       {member("!"), member("-o", "json")},
		"session owner":    {member("/plain"), member("/" + evilName)},
		"session show":     {member("!", "0x1234"), member(obeyed)},
		"session trace":    {{"!", "0x1", textLog, log}, {"!", "0x1", "-o", "json", textLog, log}, {"--path", "/" + evilName, log}, {obeyed}},
		"cp":               {{"!", "file:" + snap, "zk://" + server.addr + "/none", "--dry-run"}, {"file:" + snap, "zk://" + server.addr + "/", "-o", "json"}, {obeyed, "/x"}},
		"import":           {{"!", snap, "zk://" + server.addr + "/none", "--dry-run"}, {obeyed}},
		"mirror":           {{obeyed, "/x", "--once"}},
		"mv":               {{"zk://" + server.addr + "/", "zk://" + server.addr + "/none", "--dry-run"}, {obeyed, "/x"}},
		"local logs":       {{"!", "dead"}},
		"local ls":         {{"!"}, {"!", "-o", "json"}},
		"export":           {{"!", "file:" + snap}, {obeyed}},
		"diff":             {{"!", "file:" + old, "file:" + snap}, {"!", "file:" + old, "file:" + snap, "-o", "json"}, {obeyed, obeyed}},
		"backup create":    {{filepath.Join(home, "backups"), "file:" + snap, "--allow-inconsistent"}},
		"backup ls":        {{filepath.Join(home, "backups")}},
		"backup verify":    {{filepath.Join(home, "backups")}},
		"backup prune":     {{filepath.Join(home, "backups"), "--keep", obeyed}},
		"backup restore":   {{filepath.Join(home, "backups"), obeyed, "--data-dir", filepath.Join(home, "none")}},
		"local status":     {{"!", "dead"}, {"!", "-o", "json", "dead"}},
	}
	var known func(c *cobra.Command)
	known = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			known(sub)
		}
		name := strings.TrimPrefix(c.CommandPath(), "zkctl ")
		if _, ok := lines[name]; !ok && c.Runnable() && !c.HasSubCommands() && !verbsWithout.MatchString(name) {
			t.Errorf("%s has no line here, and is none of verbsWithout", name)
		}
	}
	env := newApp(discard()).env()
	for _, v := range env.Listed() {
		known(v.Tree(env))
	}
	lines["server status"] = [][]string{{"!", cfg}}
	for verb, all := range lines {
		for _, args := range all {
			shows := len(args) > 0 && args[0] == "!"
			if shows {
				args = args[1:]
			}
			what := fmt.Sprintf("%s %.60q", verb, args)
			cmd, _ := process(t, append(strings.Fields(verb), args...)...)
			cmd.Env = append(cmd.Env, "XDG_STATE_HOME="+home+"/state")
			raw := startOnTerminal(t, cmd).end()
			harmless(t, what, raw)
			if strings.Contains(raw, `\x1b[31m`) || strings.Contains(raw, `\x1b[0m`) {
				t.Errorf("%s shows its own colours as text: %q", what, raw)
			}
			if shows && !strings.Contains(raw, "PWNED") {
				t.Errorf("%s prints nothing from outside: %q", what, raw)
			}
		}
	}
}

// TestShellObeysNobody shows hostile names in the menu, on the line, in the prompt and in events.
func TestShellObeysNobody(t *testing.T) {
	server := evil(t)
	cmd, _ := process(t, "-server", server.addr)
	o := startOnTerminal(t, cmd)
	shows := func(text string) func(string) bool {
		return func(s string) bool { return strings.Contains(s, text) }
	}
	at := o.await(0, shows("CONNECTED"))
	o.type_("ls /")
	at = o.await(at, shows("plain")) // in the menu
	o.type_("\t\t\t\x7f\x7f\x15ls /\r")
	at = o.await(at, shows(", plain, text]"))
	o.type_("addWatch /\r")
	at = o.await(at, shows("WatchedEvent"))
	o.type_("cd /ev\t")
	at = o.await(at, shows("evil"))
	o.type_("\r")
	at = o.await(at, func(s string) bool { return strings.Contains(s, " 3] ") })
	o.type_("\x12ev") // Ctrl-R
	at = o.await(at, shows("reverse-i-search"))
	o.type_("\x03history\r")
	at = o.await(at, shows("3 - history"))
	o.type_("get /*\r")
	o.await(at, shows("Insufficient permission"))
	o.type_("quit\r")
	harmless(t, "shell", o.end())
}
