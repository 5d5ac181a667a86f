package logformatter

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var zxidField = regexp.MustCompile(`"zxid":"([^"]*)"`)

// zxids returns the zxids in the output of dump --format json.
func zxids(out string) string {
	var list []string
	for _, m := range zxidField.FindAllStringSubmatch(out, -1) {
		list = append(list, m[1])
	}
	return strings.Join(list, " ")
}

func TestFilters(t *testing.T) {
	const dir = "testdata/standalone"
	const ensemble = "testdata/ensemble/server3"
	for _, test := range []struct{ args, want string }{
		{"--zxid 0x36..0x39 " + dir, "0x36 0x37 0x38 0x39"},
		{"--zxid 0x128.. " + dir, "0x128 0x129 0x12a"},
		{"--zxid ..2 " + dir, "0x1 0x2"},
		{"--zxid 0x200000002 " + ensemble, "0x200000002"},
		{"--zxid 0x5.. --limit 2 " + dir, "0x5 0x6"},
		{"--tail 2 " + dir, "0x129 0x12a"},
		{"--tail 2 --zxid ..0x38 " + dir, "0x37 0x38"},
		{"--tail 0 " + dir, ""},
		{"--type createSession --session 0x100001196310000 " + dir, "0x1"},
		{"--session 100001196310001 " + dir, "0x5f 0x60 0x77"},
		{"--path /app/eph " + dir, "0xa 0x5e"},
		{"--path /app/m1 " + dir, "0x11"},              // in a multi
		{"--path /app/m1 --type check " + dir, "0x11"}, // the part's type
		{"--path /app/m1 --type multi " + dir, "0x11"}, // and the multi's
		{"--path /app/m1 --type delete " + dir, ""},    // another part's
		{"--path /app/ep* --type create " + dir, "0xa 0xb 0x60"},
		{"--path /app/ttl --path /app/ttl-** " + dir, "0xd 0xe"},
		{"--path /app/co[mn]* " + dir, "0x3 0xc 0xf"},
		{"--type createttl,createcontainer " + dir, "0xc 0xd 0xe"},
		{"--type create[TC]* " + dir, "0xc 0xd 0xe"},
		{"--until 2026-11-22T03:07:05.1Z --since 2026-11-22 --path /app --limit 1 " + dir, ""},
		{"--since 2026-11-22T03:07:25 --type createSession " + dir, "0xf6 0xf7"},
		{"--path / --type reconfig " + ensemble, "0x100000062 0x200000005"},
	} {
		t.Run(test.args, func(t *testing.T) {
			got := txnlog(t, "", append([]string{"dump", "--format", "json"}, strings.Fields(test.args)...)...)
			if have := zxids(got.out); have != test.want || got.exit != 0 || got.err != "" {
				t.Errorf("zxids %s, want %s; exit code %d: %s", have, test.want, got.exit, got.err)
			}
		})
	}
}

func TestFilteredTextCounts(t *testing.T) {
	got := txnlog(t, "", "dump", "--path", "/app/eph", "testdata/standalone/version-2/log.1")
	want := `ZooKeeper Transactional Log File with dbid 0 txnlog format version 2
11/22/26, 3:07:05 AM UTC session 0x100001196310000 cxid 0xa zxid 0xa create /app/eph,e,[31,s{'world,'anyone}
],true,8
EOF reached after 55 txns, 1 of them shown.
`
	sameText(t, got.out, want)
	got = txnlog(t, "", "dump", "--tail", "1", "testdata/standalone/version-2/log.1", "testdata/standalone/version-2/log.73")
	want = `ZooKeeper Transactional Log File with dbid 0 txnlog format version 2
11/22/26, 3:07:09 AM UTC session 0x100001196310001 cxid 0x0 zxid 0x77 closeSession v{'/app/eph2}
`
	sameText(t, got.out, want)
}

func TestDirectoryIsInOrder(t *testing.T) {
	var want string
	for _, name := range []string{"1", "38", "73", "78", "f6"} {
		want += readFile(t, "testdata/expected/standalone_version-2_log."+name+".toolkit.txt")
	}
	sameText(t, txnlog(t, "", "dump", "testdata/standalone").out, want)
	logs, _ := filepath.Glob("testdata/standalone/version-2/log.*")
	for i, j := 0, len(logs)-1; i < j; i, j = i+1, j-1 {
		logs[i], logs[j] = logs[j], logs[i]
	}
	sameText(t, txnlog(t, "", append([]string{"dump"}, logs...)...).out, want)
}

func TestWrongArguments(t *testing.T) {
	const log = "testdata/standalone/version-2/log.1"
	for args, want := range map[string]string{
		"dump":                                   "missing log file or directory; usage: txnlog dump FILE|DIR...",
		"dump " + log + " --zxid x":              `invalid zxid "x"; write it as in the log, such as 0x100000005`,
		"dump " + log + " --zxid 5..3":           "5 is greater than 3",
		"dump " + log + " --zxid ..":             "missing end of the range",
		"dump " + log + " --since never":         `--since: invalid time "never"`,
		"dump " + log + " --since 1h --until 2h": "is later than",
		"dump " + log + " --type creat":          `unknown transaction type "creat"`,
		"dump " + log + " --path app":            "does not start with /",
		"dump " + log + " --path /[":             `invalid pattern "/["`,
		"dump " + log + " --session zz":          `invalid session "zz"`,
		"dump " + log + " --format xml":          "unknown format",
		"dump " + log + " --data hex":            "--data needs --format json",
		"dump testdata/nowhere":                  "no such file",
		"dump testdata/expected":                 "holds no transaction log",
		"dump -f " + log + " " + log:             "-f needs exactly one",
		"frob":                                   `txnlog has no command "frob", and no such file exists; txnlog --help lists them`,
		"dmp":                                    "did you mean dump?",
		"recover":                                "recover needs exactly one log",
		"chop 5":                                 "chop needs a zxid and two files",
		"chop z " + log + " x":                   `invalid zxid "z"`,
		"stats":                                  "missing log file or directory",
		"stats --depth 0 " + log:                 "must be at least 1",
		"-c " + log:                              "-c needs the last zxid",
	} {
		got := txnlog(t, "", strings.Fields(args)...)
		if got.exit != 1 || got.out != "" || !strings.Contains(got.err, want) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", args, got.exit, got.out, got.err)
		}
	}
}

// TestFilterRelativeTimes has a log of a moment ago.
func TestFilterRelativeTimes(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.1")
	now := time.Now()
	writeTxns(t, log, createAt(1, now.Add(-3*time.Hour)), createAt(2, now.Add(-time.Hour)), createAt(3, now))
	for args, want := range map[string]string{
		"--since 2h":              "0x2 0x3",
		"--until 2h":              "0x1",
		"--since 1d --until 30m":  "0x1 0x2",
		"--since 200m --limit 1":  "0x1",
		"--since 90m --until now": "0x2 0x3",
	} {
		got := txnlog(t, "", append([]string{"dump", "--format", "json", log}, strings.Fields(args)...)...)
		if have := zxids(got.out); have != want {
			t.Errorf("%s: zxids %s, want %s (%s)", args, have, want, got.err)
		}
	}
}

func TestReadingWritesNothing(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log.1")
	if err := os.WriteFile(log, []byte(readFile(t, "testdata/standalone/version-2/log.1")), 0o400); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"dump", dir}, {"stats", dir}, {"dump", "--tail", "3", dir}} {
		txnlog(t, "", args...)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("the directory holds %v", left)
	}
}
