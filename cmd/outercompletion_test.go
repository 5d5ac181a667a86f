//go:build unix

package cmd

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ztree"
	"github.com/zkctl/zkctl/localserver"
)

// eachOuterShell runs a test in each installed shell.
func eachOuterShell(t *testing.T, test func(t *testing.T, s *outerShell)) {
	for _, name := range slices.Sorted(maps.Keys(shellStart)) {
		t.Run(name, func(t *testing.T) { test(t, startOuterShell(t, name)) })
	}
}

// TestOuterCompletion types into a shell in a terminal, including Tab, and checks the resulting
// line.
func TestOuterCompletion(t *testing.T) {
	server := apachetest.Shared(t).Addr() + "/outer"
	fill(t, "/outer", "/outer/app", "/outer/app/config", "/outer/app/two words", "/outer/app/a:b", "/outer/app/a:b/c=d",
		"/outer/app/a:b/c=d/deep", "/outer/lonely")
	eachOuterShell(t, func(t *testing.T, s *outerShell) {
		for _, name := range []string{"script.zk", "my script.zk"} {
			if err := os.WriteFile(s.dir+"/"+name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.env("ADDRESS", server)
		at := "zkctl -server " + server + " "
		for _, tc := range []struct{ typed, want string }{
			{"zkctl crea", "zkctl create "},
			{"zkctl -ser", "zkctl -server "},
			{"zkctl --profi", "zkctl --profile "},
			{"zkctl -o js", "zkctl -o json "},
			{"zkctl completion fi", "zkctl completion fish "},
			{"zkctl help setq", "zkctl help setquota "},
			{"zkctl -f scr", "zkctl -f script.zk "},
			{"zkctl --file=scr", "zkctl --file=script.zk "},
			{"zkctl -f my", `zkctl -f my\ script.zk `},
			{"zkctl create /x @scr", "zkctl create /x @script.zk "},
			{`zkctl create /x "@scr`, `zkctl create /x "@script.zk"`},
			{"zkctl txnlog dump scr", "zkctl txnlog dump script.zk "},
			{"zkctl txnlog dump --since scr", "zkctl txnlog dump --since scr"},
			{"zkctl txnlog n", "zkctl txnlog n"},
			{at + "get /lon", at + "get /lonely"},
			{at + `get "/lon`, at + `get "/lonely`},
			{at + "get '/lon", at + "get '/lonely"},
			{"zkctl -server=" + server + " get /lon", "zkctl -server=" + server + " get /lonely"},
			{"zkctl -server=$ADDRESS get /lon", "zkctl -server=$ADDRESS get /lonely"},
			{`zkctl -server "$ADDRESS" get /lon`, `zkctl -server "$ADDRESS" get /lonely`},
			{"zkctl --server " + server + " ls -R /ap", "zkctl --server " + server + " ls -R /app"},
			{at + "get /app/con", at + "get /app/config"},
			{at + "get /app/tw", at + `get /app/two\ words`},
			{at + `get "/app/tw`, at + `get "/app/two words`},
			{at + "get /app/a:b/c", at + "get /app/a:b/c=d"},
			{at + "get /app/a:b/c=d/d", at + "get /app/a:b/c=d/deep"},
			{at + "addWatch -m PERSISTENT_", at + "addWatch -m PERSISTENT_RECURSIVE "},
			{at + "ls / >scr", at + "ls / >script.zk "},
		} {
			got := s.complete(tc.typed + "\t")
			if s.name != "bash" { // slashes and spaces come and go with the next key
				got, tc.want = strings.TrimRight(got, "/ "), strings.TrimRight(tc.want, " ")
			}
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s<Tab>\ngives %s\nwant  %s", tc.typed, got, tc.want)
			}
		}
		// Two candidates: the part that they share.
		s.env("ZKCTL_SERVER", server)
		if got := s.complete("zkctl ls \t"); got != "zkctl ls /" {
			t.Errorf("zkctl ls <Tab> gives %q", got)
		}
	})
}

// hostileNames are znode names that ZooKeeper accepts. Unquoted on a line, most would do something
// other than name a znode.
var hostileNames = []string{
	`$(id>PWNED)`, "`id>PWNED`", `a;id>PWNED;`, `a|id>PWNED`, `a&id>PWNED&`, `>PWNED`, `<PWNED`, `(id>PWNED)`,
	`{a,b}`, `~`, `~root`, `*`, `?`, `[a-z]`, `!!`, `!id`, `a!b`, `#x`, `a b`, ` a`, `it's`, `say "x"`, `"; id>PWNED; "`, `'; id>PWNED; '`,
	`back\slash`, `\$(id>PWNED)`, `\`, `$HOME`, `${HOME}`, `$'\x41'`, `-rf`, `--help`, `a=b:c@d,e`, `%s%n`, `^x^y`, `日本 語`, `é`, `=ls`, `@PWNED`,
	"a\u00a0b",
}

// TestHostileNames completes names that a shell would obey, and runs the resulting line: the znode
// is printed, and nothing else happens.
func TestHostileNames(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while, and the server has no part in it")
	}
	server := apachetest.Shared(t).Addr()
	conn, err := client.Open(client.Config{Servers: server})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	create := func(path, data string) {
		if _, _, err := conn.Create(t.Context(), path, []byte(data), proto.OpenACL, proto.Persistent, 0); err != nil {
			t.Fatalf("create %q: %v", path, err)
		}
	}
	create("/hostile", "")
	for i, name := range hostileNames {
		create(fmt.Sprintf("/hostile/one%d", i), "")
		create(fmt.Sprintf("/hostile/one%d/%s", i, name), fmt.Sprintf("data<%d>", i))
		create(fmt.Sprintf("/hostile/two%d", i), "")
		create(fmt.Sprintf("/hostile/two%d/%s1", i, name), fmt.Sprintf("data<%d-1>", i))
		create(fmt.Sprintf("/hostile/two%d/%s2", i, name), fmt.Sprintf("data<%d-2>", i))
	}
	create("/hostile/all", "")
	for _, name := range hostileNames {
		create("/hostile/all/"+name, "")
	}
	eachOuterShell(t, func(t *testing.T, s *outerShell) {
		s.env("ZKCTL_SERVER", server+"/hostile")
		for i, name := range hostileNames {
			if t.Failed() {
				return
			}
			t.Run(name, func(t *testing.T) {
				s.t = t
				// The only name, and the part that two share.
				s.run(fmt.Sprintf("zkctl get /one%d/\t", i), fmt.Sprintf("data<%d>", i))
				s.run(fmt.Sprintf("zkctl get /two%d/\t1", i), fmt.Sprintf("data<%d-1>", i))
				if !strings.Contains(name, "PWNED") {
					return
				}
				// Tab again on either, in quotes too, and with the name in an earlier word.
				for _, typed := range []string{"/two%d/\t\t", "/two%d/\t2\t", "\"/two%d/\t\t", "'/two%d/\t\t", "/one%d/\t -\t"} {
					s.complete(fmt.Sprintf("zkctl get "+typed, i))
				}
				if _, err := os.Stat(s.dir + "/PWNED"); err == nil {
					t.Errorf("the completion of %q ran a command", name)
				}
			})
		}
		s.t = t
		s.complete("zkctl get /all/\t\t\t")
		if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 0 {
			t.Errorf("files have come: %v, %v", entries, err)
		}
	})
}

// bash can be configured to complete in other ways.
func TestBashModes(t *testing.T) {
	server := apachetest.Shared(t).Addr() + "/modes"
	fill(t, "/modes", "/modes/e", "/modes/e/$(id>PWNED)1", "/modes/e/$(id>PWNED)2", "/modes/f", "/modes/f/$", "/modes/f/(")
	for _, test := range []struct{ bind, typed, want string }{
		{"set show-all-if-ambiguous on", "/e/\t", `/e/\$\(id\>PWNED\)`},
		{"set show-all-if-ambiguous on", "/e/\t\t", `/e/\$\(id\>PWNED\)`},
		{"set show-all-if-ambiguous on", "/f/\t", "/f/"},
		{"set show-all-if-unmodified on", "/e/\t\t", `/e/\$\(id\>PWNED\)`},
		{"TAB: menu-complete", "/e/\t", `/e/\$\(id\>PWNED\)1`},
		{"TAB: menu-complete", "/e/\t\t", `/e/\$\(id\>PWNED\)2`},
		{"TAB: insert-completions", "/e/\t", `/e/\$\(id\>PWNED\)1 /e/\$\(id\>PWNED\)2`},
		{"TAB: possible-completions", "/e/\t", "/e/"},
		{"set completion-ignore-case on", "/e/\t\t", `/e/\$\(id\>PWNED\)`},
	} {
		s := startOuterShell(t, "bash")
		s.env("ZKCTL_SERVER", server)
		s.run("bind '"+test.bind+"'; echo b''ound", "bound")
		if got := strings.TrimRight(s.complete("zkctl get "+test.typed), " "); got != "zkctl get "+test.want {
			t.Errorf("%s: %q gives %q, want %q", test.bind, test.typed, got, "zkctl get "+test.want)
		}
		if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 0 {
			t.Errorf("files have come: %v, %v", entries, err)
		}
	}
}

// Debian does not have PowerShell: where it is installed, its own parser reads the completions.
func TestPowerShell(t *testing.T) {
	pwsh, err := exec.LookPath("pwsh")
	if err != nil {
		t.Skip("there is no pwsh")
	}
	server := apachetest.Shared(t).Addr() + "/powershell"
	fill(t, "/powershell")
	for i, name := range hostileNames {
		fill(t, fmt.Sprintf("/powershell/one%d", i), fmt.Sprintf("/powershell/one%d/%s", i, name))
	}
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, bin+"/zkctl"); err != nil {
		t.Fatal(err)
	}
	script := "zkctl completion powershell | Out-String | Invoke-Expression\n"
	for i := range hostileNames {
		script += fmt.Sprintf(`$line = 'zkctl get /one%d/'
$text = (TabExpansion2 -inputScript $line -cursorColumn $line.Length).CompletionMatches[0].CompletionText
$words = [System.Management.Automation.Language.Parser]::ParseInput("zkctl get $text", [ref]$null, [ref]$null).EndBlock.Statements[0].PipelineElements[0].CommandElements
Write-Output "%d:$($words.Count):$($words[2].Value)"
`, i, i)
	}
	cmd := exec.Command(pwsh, "-NoProfile", "-NonInteractive", "-Command", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "ZKCTL_SERVER="+server, "HOME="+cmd.Dir, "GOCOVERDIR="+bin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, name := range hostileNames {
		if want := fmt.Sprintf("%d:3:/one%d/%s\n", i, i, name); !strings.Contains(string(out), want) {
			t.Errorf("%q is not completed as one word; PowerShell says\n%s", name, out)
		}
	}
}

// A server may send names that ZooKeeper does not accept. They are not completed.
func TestImpossibleNames(t *testing.T) {
	tree := ztree.New()
	zxid := int64(0)
	create := func(path string) {
		zxid++
		tree.Apply(&proto.TxnHeader{Zxid: zxid, Type: proto.OpCreate},
			&proto.CreateTxn{Path: path, Data: []byte("x"), ACL: proto.OpenACL})
	}
	create("/one")
	create("/one/x\nid>PWNED\n")
	create("/two")
	create("/two/fine")
	for _, name := range []string{"f\nid>PWNED\n", "f\rid>PWNED\r", "f\x03id>PWNED\r", "f\x1b[201~id>PWNED\r", "f\u202ex", "f\u0085x", "f\u2028x", "f\xff"} {
		create("/two/" + name)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/version-2", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := storage.WriteSnapshot(fmt.Sprintf("%s/version-2/snapshot.%x", dir, zxid), tree, storage.SnapshotOptions{}); err != nil {
		t.Fatal(err)
	}
	e, err := localserver.Start(t.Context(), localserver.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	eachOuterShell(t, func(t *testing.T, s *outerShell) {
		s.env("ZKCTL_SERVER", e.ConnectString())
		for typed, want := range map[string]string{
			"zkctl get /one/\t\t\t": "zkctl get /one/",
			"zkctl get /two/\t":     "zkctl get /two/fine",
		} {
			if got := strings.TrimRight(s.complete(typed), " "); got != want {
				t.Errorf("%q gives %q, want %q", typed, got, want)
			}
		}
		if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 0 {
			t.Errorf("files have come: %v, %v", entries, err)
		}
	})
}
