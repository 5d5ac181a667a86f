package completions

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
)

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func of(tree Tree) func() Tree { return func() Tree { return tree } }

func labels(r Result) []string {
	list := []string{}
	for _, s := range r.Suggestions {
		list = append(list, s.Label)
	}
	return list
}

func texts(r Result) []string {
	list := []string{}
	for _, s := range r.Suggestions {
		list = append(list, s.Text)
	}
	return list
}

func TestComplete(t *testing.T) {
	tree := newFakeTree("/app/config/db", "/app/config/dbs", "/app/config/web", "/app/my dir/x", "/app/my dir/y",
		"/app/日本/一", "/app/日本/二", "/other", "/it's",
		`/app/odd/'"\ x`, `/app/odd/'"\ y`, "/app/odd/*", "/app/odd/a|b",
		"/dash/-rf", "/dash/-x", "/dash/a", "/dashes/-rf", "/dashes/-rg", "/app/dots/.a", "/app/dots/..b")
	dir := t.TempDir()
	for _, name := range []string{"acl.json", "data.bin", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	slash := func(s string) string { return strings.ReplaceAll(s, "DIR", filepath.ToSlash(dir)) }
	servers := func() []Suggestion { return []Suggestion{{Text: "zk1:2181,zk2:2181/app"}, {Text: "localhost:2181"}} }
	for _, test := range []struct {
		name, line, dir string // | in line is the cursor, its end otherwise
		start           int
		want            []string // texts
		common          string
	}{
		{"a command", "getA", "", 0, []string{"getAcl", "getAllChildrenNumber"}, "getA"},
		{"a command in other letters", "GETACL", "", 0, []string{"getAcl"}, "getAcl"},
		{"an old name", "rm", "", 0, []string{"rmr"}, "rmr"},
		{"an unknown command", "frob /a", "", 0, nil, ""},
		{"behind blanks", "  getAc", "", 2, []string{"getAcl"}, "getAcl"},
		{"at the beginning", "getA| /x", "", 0, []string{"getAcl", "getAllChildrenNumber"}, "getA"},
		{"an option", "ls -R", "", 3, []string{"-R"}, "-R"},
		{"an option of one letter has one dash", "ls --", "", 3, []string{"--output", "--yes", "--quiet", "--help"}, "--"},
		{"an option of one letter, with one dash", "getAcl -", "", 7, []string{"-s", "-o", "-y", "-q", "-?"}, "-"},
		{"an option is case-sensitive", "removewatches -R", "", 14, nil, ""},
		{"a global option", "ls --out", "", 3, []string{"--output"}, "--output"},
		{"a global option's value", "ls -o ", "", 6, []string{"text", "json"}, ""},
		{"a value behind =", "ls -o=j", "", 3, []string{"-o=json"}, "-o=json"},
		{"a watch mode", "addWatch -m PERSISTENT_", "", 12, []string{"PERSISTENT_RECURSIVE"}, "PERSISTENT_RECURSIVE"},
		{"the root's children", "ls ", "", 3, []string{"/app", "/dash", "/dashes", "/it's", "/other"}, "/"},
		{"a path", "ls /a", "", 3, []string{"/app"}, "/app"},
		{"a dash is no option", "ls ", "/dash", 3, []string{"./-rf", "./-x", "a"}, ""},
		{"dashes alone", "ls ", "/dashes", 3, []string{"./-rf", "./-rg"}, "./-r"},
		{"a dash behind --", "ls -- -r", "/dash", 6, []string{"./-rf"}, "./-rf"},
		{"a dash in a path", "ls /dash/-", "", 3, []string{"/dash/-rf", "/dash/-x"}, "/dash/-"},
		{"an operation", "multi ", "", 6, []string{"create", "set", "delete", "check"}, ""},
		{"an operation in quotes", "multi 'cr", "", 6, []string{"'create "}, "'create"},
		{"an operation in double quotes", `multi "d`, "", 6, []string{"'delete "}, "'delete"},
		{"a path of an operation", "multi 'create /ap", "", 6, []string{"'create /app"}, "'create /app"},
		{"paths of an operation", "multi 'set -v 3 /app/config/d", "", 6, []string{"'set -v 3 /app/config/db", "'set -v 3 /app/config/dbs"}, "'set -v 3 /app/config/db"},
		{"a name with a blank in an operation", "multi 'delete /app/m", "", 6, []string{`"delete '/app/my dir'`}, `"delete '/app/my dir'`},
		{"an operation's option", "multi 'create -s", "", 6, []string{"'create -s "}, "'create -s"},
		{"check", "multi 'check /oth", "", 6, []string{"'check /other"}, "'check /other"},
		{"the second operation", "multi 'delete /other' 'c", "", 22, []string{"'create ", "'check "}, "'c"},
		{"an operation without quotes", "multi create /ap", "", 13, []string{"/app"}, "/app"},
		{"an option of one without quotes", "multi create -s", "", 13, []string{"-s"}, "-s"},
		{"the second one without quotes", "multi delete /other ; c", "", 22, []string{"create", "check"}, "c"},
		{"no command but those", "multi 'ls /", "", 6, nil, ""},
		{"an option of multi", "multi -fi", "", 6, []string{"-file"}, "-file"},
		{"a server to remove", "reconfig -remove ", "", 17, []string{"1", "12"}, "1"},
		{"a further server to remove", "reconfig -remove 1,", "", 17, []string{"1,12"}, "1,12"},
		{"a server to change", "reconfig -add server.12", "", 14, []string{"server.12=zk2:2888:3888:observer;2181"}, "server.12=zk2:2888:3888:observer;2181"},
		{"all servers", "reconfig -members ", "", 18,
			[]string{"server.1=zk1:2888:3888:participant;2181", "server.12=zk2:2888:3888:observer;2181"}, "server.1"},
		{"a value with hints", "find / --size ", "", 14, []string{"+10k", "-100", "0"}, ""},
		{"a command in a command", "time repeat 3 getAc", "", 14, []string{"getAcl"}, "getAcl"},
		{"its option", "repeat 3 ls -R", "", 12, []string{"-R"}, "-R"},
		{"its path", "time -q ls /a", "", 11, []string{"/app"}, "/app"},
		{"the second row", "ls \\\n/oth", "", 5, []string{"/other"}, "/other"},
		{"the second level", "ls /app/c", "", 3, []string{"/app/config"}, "/app/config"},
		{"the third level", "ls /app/config/d", "", 3, []string{"/app/config/db", "/app/config/dbs"}, "/app/config/db"},
		{"in the middle of a path", "ls /app/config/d|b -s", "", 3, []string{"/app/config/db", "/app/config/dbs"}, "/app/config/db"},
		{"a name with a blank", "ls /app/m", "", 3, []string{"'/app/my dir'"}, "'/app/my dir'"},
		{"below it, quoted", "ls '/app/my dir/", "", 3, []string{"'/app/my dir/x'", "'/app/my dir/y'"}, "'/app/my dir/"},
		{"below it, in double quotes", `ls "/app/my dir/x`, "", 3, []string{"'/app/my dir/x'"}, "'/app/my dir/x'"},
		{"a word of its own behind a closed quote", "ls '/app/my dir'/x", "", 0, nil, ""},
		{"a name with a quote", "ls /it", "", 3, []string{"/it's"}, "/it's"},
		{"it is taken as it stands", "ls /it'", "", 3, []string{"/it's"}, "/it's"},
		{"quotes and blanks in names", "ls /app/odd/", "", 3,
			[]string{`"/app/odd/'\"\\ x"`, `"/app/odd/'\"\\ y"`, `'/app/odd/*'`, "/app/odd/a|b"}, "/app/odd/"},
		{"what they have in common, quoted", `ls "/app/odd/'`, "", 3,
			[]string{`"/app/odd/'\"\\ x"`, `"/app/odd/'\"\\ y"`}, `"/app/odd/'\"\\ `},
		{"not ASCII", "ls /app/日本/", "", 3, []string{"/app/日本/一", "/app/日本/二"}, "/app/日本/"},
		{"a bare name at the root", "ls ap", "/", 3, []string{"app"}, "app"},
		{"relative", "ls con", "/app", 3, []string{"config"}, "config"},
		{"relative, nothing typed", "ls ", "/app/config", 3, []string{"db", "dbs", "web"}, ""},
		{"relative, two levels", "ls config/w", "/app", 3, []string{"config/web"}, "config/web"},
		{"up", "ls ../o", "/app", 3, []string{"../other"}, "../other"},
		{"dot", "ls ./config/w", "/app", 3, []string{"./config/web"}, "./config/web"},
		{"names that begin with a dot", "ls /app/dots/.", "", 3, []string{"/app/dots/..b", "/app/dots/.a"}, "/app/dots/."},
		{"one that begins with two", "ls ..", "/app/dots", 3, []string{"..b"}, "..b"},
		{"the znode above", "cd ..", "/app", 0, nil, ""},
		{"no such znode", "ls /none/x", "", 3, nil, ""},
		{"a path behind an option", "ls -s /a", "", 6, []string{"/app"}, "/app"},
		{"a path behind an option with a value", "set -v 3 /a", "", 9, []string{"/app"}, "/app"},
		{"behind --", "ls -- -", "/app", 6, nil, ""},
		{"no further argument", "ls /app ", "", 8, nil, ""},
		{"a server", "connect z", "", 8, []string{"zk1:2181,zk2:2181/app"}, "zk1:2181,zk2:2181/app"},
		{"another server of an ensemble", "connect new:1,zk", "", 8, []string{"new:1,zk1:2181", "new:1,zk2:2181"}, "new:1,zk"},
		{"a file of data", slash("create /x @DIR/d"), "", 10, []string{slash("@DIR/data.bin")}, slash("@DIR/data.bin")},
		{"a folder", slash("create /x @DIR/s"), "", 10, []string{slash("@DIR/sub/")}, slash("@DIR/sub/")},
		{"a file of an option", slash("create -file DIR/d"), "", 13, []string{slash("DIR/data.bin")}, slash("DIR/data.bin")},
		{"a file for the output", slash("ls / > DIR/a"), "", 7, []string{slash("DIR/acl.json")}, slash("DIR/acl.json")},
		{"a file needs a space before it", "ls / >", "", 0, nil, ""},
		{"data as it stands", "create /x @@", "", 10, nil, ""},
		{"an ACL's scheme", "setAcl /x w", "", 10, []string{"world:anyone:"}, "world:anyone:"},
		{"an ACL's permissions", "setAcl /x world:anyone:cd", "", 10,
			[]string{"world:anyone:cdr", "world:anyone:cdw", "world:anyone:cda"}, "world:anyone:cd"},
		{"an ACL's second entry", "setAcl /x world:anyone:r,au", "", 10, []string{"world:anyone:r,auth::"}, "world:anyone:r,auth::"},
		{"an ACL's id", "setAcl /x digest:bob", "", 10, nil, ""},
		{"an identity's scheme", "addauth d", "", 8, []string{"digest"}, "digest"},
		{"the name of a command", "help getAc", "", 5, []string{"getAcl"}, "getAcl"},
		{"a comment", "# ls /a", "", 0, nil, ""},
		{"a comment behind a command", "ls / # /a", "", 0, nil, ""},
		{"the outer shell's", "ls / | gr", "", 0, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(test.line, filepath.ToSlash(dir)) {
				t.Skip("paths of this system need quotes")
			}
			c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), Servers: servers})
			line, pos := strings.Replace(test.line, "|", "", 1), strings.Index(test.line, "|")
			if pos < 0 || strings.Contains(test.line, "| gr") {
				line, pos = test.line, len(test.line)
			}
			r := c.Complete(testContext(t), line, pos, test.dir)
			if got := texts(r); !slices.Equal(got, test.want) && len(got)+len(test.want) > 0 {
				t.Errorf("suggestions %q, want %q", got, test.want)
			}
			if len(test.want) > 0 && r.Start != test.start {
				t.Errorf("start %d, want %d", r.Start, test.start)
			}
			if len(test.want) > 0 && r.Common != test.common {
				t.Errorf("common %q, want %q", r.Common, test.common)
			}
			for _, s := range r.Suggestions { // what is suggested reads back as one word
				tokens, err := command.Lex(line[:r.Start] + s.Text)
				if (err != nil) != s.Open || len(tokens) == 0 || tokens[len(tokens)-1].Start != r.Start {
					t.Errorf("%q does not stand as a word: %v", s.Text, err)
				}
			}
		})
	}
}

// Every position of every command's line offers what is possible there, and files only where one
// is.
func TestEveryPlaceOfEveryCommand(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("afile", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tree := newFakeTree("/node")
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), Servers: func() []Suggestion { return []Suggestion{{Text: "zk1:2181"}} }})
	want := map[command.Kind]string{
		command.Path: "/node", command.NewPath: "/node", command.ACLs: "world:anyone:", command.AuthScheme: "digest",
		command.File: "afile", command.Servers: "zk1:2181", command.CommandName: "create", command.Operation: "check",
		command.Members: "server.12=zk2:2888:3888:observer;2181", command.MemberIDs: "12",
		command.Location: "/node", command.Line: "create",
		command.Data: "", command.Number: "", command.Any: "", // nobody knows
	}
	check := func(line string, kind command.Kind, values []string) {
		t.Helper()
		got := texts(c.Complete(testContext(t), line, len(line), "/"))
		if kind == command.Choice {
			if !slices.Equal(got, values) {
				t.Errorf("%q offers %q, not %q", line, got, values)
			}
			return
		}
		text, known := want[kind]
		if !known {
			t.Fatalf("%q: what is kind %d?", line, kind)
		}
		if text == "" && len(got) > 0 || text != "" && !slices.Contains(got, text) {
			t.Errorf("%q offers %q, not %q", line, got, text)
		}
	}
	for _, cmd := range commands.All {
		line := cmd.Name + " "
		for _, o := range cmd.Options.List() {
			if o.Value != "" {
				kind, values := o.Kind, o.Values
				for _, h := range o.Hints {
					kind, values = command.Choice, append(values, h[0])
				}
				check(cmd.Name+" -"+o.Name+" ", kind, values)
				if len(o.Name) > 1 {
					check(cmd.Name+" --"+o.Name+" ", kind, values)
				}
			}
		}
		for _, a := range cmd.Args {
			if a.Old {
				break
			}
			check(line, a.Kind, a.Values)
			if a.Kind == command.Data { // it may be in a file
				if got := texts(c.Complete(testContext(t), line+"@", len(line)+1, "/")); !slices.Equal(got, []string{"@afile"}) {
					t.Errorf("%q offers %q", line+"@", got)
				}
			}
			line += map[bool]string{true: "/node ", false: "x "}[a.Kind == command.Path || a.Kind == command.NewPath || a.Kind == command.Location]
		}
		if n := len(cmd.Args); n == 0 || !cmd.Args[n-1].Repeat {
			if got := texts(c.Complete(testContext(t), line, len(line), "/")); len(got) > 0 {
				t.Errorf("%q offers %q, but no argument follows", line, got)
			}
		}
		check("ls / > ", command.File, nil)
	}
}

func TestEveryOptionOfEveryCommandIsOffered(t *testing.T) {
	c := New(Config{Env: &command.Env{Commands: commands.All}})
	for _, cmd := range commands.All {
		r := c.Lookup(cmd.Name+" -", len(cmd.Name)+2, "/")
		offered := texts(r)
		for _, o := range cmd.Options.List() {
			if !slices.Contains(offered, "-"+o.Name) {
				t.Errorf("%s: -%s is not offered: %q", cmd.Name, o.Name, offered)
			}
		}
		for _, s := range r.Suggestions {
			if s.Help == "" {
				t.Errorf("%s: %s has no help", cmd.Name, s.Text)
			}
		}
	}
}

func TestOptionGivenIsNotOfferedAgain(t *testing.T) {
	c := New(Config{Env: &command.Env{Commands: commands.All}})
	if got := texts(c.Lookup("ls -s -", 7, "/")); slices.Contains(got, "-s") || !slices.Contains(got, "-R") {
		t.Errorf("offered %q", got)
	}
}

func TestDescriptions(t *testing.T) {
	tree := newFakeTree("/a", "/b/c")
	tree.nodes["/a"] = proto.Stat{DataLength: 1234, EphemeralOwner: 0x1000_0000_0001}
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree)})
	r := c.Complete(testContext(t), "ls /", 4, "/")
	var helps []string
	for _, s := range r.Suggestions {
		helps = append(helps, s.Help)
	}
	if want := []string{"1,234 bytes, ephemeral", "1 child, 1 byte"}; !slices.Equal(helps, want) {
		t.Errorf("help %q, want %q", helps, want)
	}
	for owner, want := range map[uint64]string{
		1 << 63: "container", 0xff00000000000064: "TTL", 0x1000: "ephemeral",
	} {
		if got := describe(proto.Stat{EphemeralOwner: int64(owner)}); !strings.Contains(got, want) {
			t.Errorf("owner %x is described as %q, want %s", owner, got, want)
		}
	}
}

// Lookup answers at once even if the server does not, and Changed reports when to ask again.
func TestLookupDoesNotBlock(t *testing.T) {
	tree := newFakeTree("/a/b", "/a/c")
	tree.block = make(chan struct{})
	changed := make(chan struct{}, 100)
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), Changed: func() { changed <- struct{}{} }})
	r := c.Lookup("ls /a/", 6, "/")
	if !r.Pending || len(r.Suggestions) != 0 {
		t.Fatalf("answer before the server's: %+v", r)
	}
	close(tree.block)
	<-changed
	r = c.Lookup("ls /a/", 6, "/")
	if got := labels(r); !slices.Equal(got, []string{"b", "c"}) || r.Pending {
		t.Errorf("labels %q, pending %v", got, r.Pending)
	}
}

func TestCompleteEndsWithItsContext(t *testing.T) {
	tree := newFakeTree("/a/b")
	tree.block = make(chan struct{})
	defer close(tree.block)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree)})
	if r := c.Complete(ctx, "ls /a/", 6, "/"); !r.Pending {
		t.Errorf("answer %+v", r)
	}
}

func TestNoSession(t *testing.T) {
	c := New(Config{Env: &command.Env{Commands: commands.All}})
	if r := c.Complete(testContext(t), "ls /", 4, "/"); r.Pending || r.Total != 0 {
		t.Errorf("answer %+v", r)
	}
}

func TestFailuresAreRetried(t *testing.T) {
	fail := &failingTree{fakeTree: newFakeTree("/a/b")}
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(fail)})
	if r := c.Complete(testContext(t), "ls /a/", 6, "/"); r.Total != 0 {
		t.Fatalf("answer %+v", r)
	}
	c.Fired("/a")
	if r := c.Complete(testContext(t), "ls /a/", 6, "/"); r.Total != 1 {
		t.Errorf("answer after the failure %+v", r)
	}
}

type failingTree struct {
	*fakeTree
	failed sync.Once
}

func (t *failingTree) Children(ctx context.Context, node string, watch bool) ([]string, proto.Stat, error) {
	var err error
	t.failed.Do(func() { err = errors.New("connection lost") })
	if err != nil {
		return nil, proto.Stat{}, err
	}
	return t.fakeTree.Children(ctx, node, watch)
}

func TestOwnWritesShowAtOnce(t *testing.T) {
	tree := newFakeTree("/a/b")
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), TTL: time.Hour})
	ctx := testContext(t)
	c.Complete(ctx, "ls /a/", 6, "/")
	tree.add("/a/new")
	if got := labels(c.Complete(ctx, "ls /a/", 6, "/")); !slices.Equal(got, []string{"b"}) {
		t.Fatalf("a fresh answer was looked up again: %q", got)
	}
	c.Ran(command.Args("create", "new", "x"), "/a")
	if got := labels(c.Complete(ctx, "ls /a/", 6, "/")); !slices.Equal(got, []string{"b", "new"}) {
		t.Errorf("after create: %q", got)
	}
	c.Ran(command.Args("ls", "/a"), "/")
	requests := tree.requests("/a")
	c.Complete(ctx, "ls /a/", 6, "/")
	if tree.requests("/a") != requests {
		t.Error("a command that reads made the cache forget")
	}
}

// An old level is still shown while it is refreshed, and an unchanged one is not transferred again.
func TestWatchesAndChanges(t *testing.T) {
	tree := newFakeTree("/a/b")
	changed := make(chan struct{}, 100)
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(tree), TTL: time.Hour, Changed: func() { changed <- struct{}{} }})
	ctx := testContext(t)
	c.Complete(ctx, "ls /a/", 6, "/")
	before := tree.requests("/a")
	c.Fired("/a/b") // its parent may have lost it
	c.Complete(ctx, "ls /a/", 6, "/")
	tree.add("/a/new")
	c.Fired("/a")
	for len(changed) > 0 {
		<-changed
	}
	answer := make(chan struct{})
	tree.mu.Lock()
	tree.block = answer
	tree.mu.Unlock()
	if got := labels(c.Lookup("ls /a/", 6, "/")); !slices.Equal(got, []string{"b"}) {
		t.Errorf("while it is looked up: %q", got)
	}
	close(answer)
	for !slices.Equal(labels(c.Lookup("ls /a/", 6, "/")), []string{"b", "new"}) {
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("the new child does not show")
		}
	}
	if n := tree.requests("/a") - before; n != 1 {
		t.Errorf("the children were transferred %d times for one change", n)
	}
}

func TestCompleteWords(t *testing.T) {
	c := New(Config{Env: &command.Env{Commands: commands.All}, Tree: of(newFakeTree("/my dir/x"))})
	if got := texts(c.CompleteWords(testContext(t), []string{"ls", "-s"}, "/my", "/")); !slices.Equal(got, []string{"/my dir"}) {
		t.Errorf("%q", got)
	}
}

func TestBelow(t *testing.T) {
	for in, want := range map[string]string{"/a": "/a/", "'/my dir'": "'/my dir/", `"/it's a"`: `"/it's a/`, "/it'": "/it'/"} {
		if got := Below(Suggestion{Text: in}); got != want {
			t.Errorf("Below(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestServersAreRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for _, s := range []string{"a:1", "b:2", "a:1", "", "no blanks:3"} {
		RememberServers(dir, s)
	}
	if got := seenServers(dir); !slices.Equal(got, []string{"a:1", "b:2"}) {
		t.Errorf("seen %q", got)
	}
	if runtime.GOOS != "windows" { // what is there already
		if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(serversFile(dir), 0o644)); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(t.TempDir(), "state")
		if err := errors.Join(os.Mkdir(link, 0o700), os.Symlink(serversFile(dir), serversFile(link))); err != nil {
			t.Fatal(err)
		}
		RememberServers(link, "c:3")
		if got := seenServers(dir); slices.Contains(got, "c:3") {
			t.Errorf("written through a link: %q", got)
		}
	}
	for i := range 2 * serversKept {
		RememberServers(dir, fmt.Sprintf("host%d:2181", i))
	}
	if n := len(SeenServers(dir)); n != serversKept {
		t.Errorf("%d are kept", n)
	}
	if runtime.GOOS != "windows" {
		for name, want := range map[string]os.FileMode{dir: 0o700, serversFile(dir): 0o600} {
			if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v; want mode %o", name, info.Mode(), err, want)
			}
		}
	}
}
