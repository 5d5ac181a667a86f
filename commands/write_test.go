package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/command"
)

// newRootBench is a bench without a chroot, which quotas need.
func newRootBench(t *testing.T, addr string) *bench {
	b := newBench(t)
	_ = b.session.Close()
	b.session = sessionWith(addr)
	t.Cleanup(func() { _ = b.session.Close() })
	b.env.Session = b.session
	return b
}

func TestQuotas(t *testing.T) {
	b := newRootBench(t, apachetest.Shared(t).Addr())
	b.must("create -p /quotas/a x")
	b.must("create /quotas/a/b xyz")
	const open = "Output quota for /quotas/a "
	for _, step := range []struct {
		line, out, err string
		exit           int
	}{
		{"listquota /quotas/a", "", "absolute path is /zookeeper/quota/quotas/a/zookeeper_limits\nquota for /quotas/a does not exist.\n", 0},
		{"delquota /quotas/a", "Quota does not exist for /quotas/a\n", "", 0},
		{"setquota -n 10 /quotas/a", "", "", 0},
		{"listquota /quotas/a", open + "count=10,bytes=-1=;byteHardLimit=-1;countHardLimit=-1\nOutput stat for /quotas/a count=2,bytes=4\n",
			"absolute path is /zookeeper/quota/quotas/a/zookeeper_limits\n", 0},
		{"setquota -N 20 -B 200 /quotas/a", "", "", 0},
		{"setquota -b 2 /quotas/a", "[Warning]: the bytes quota you create is less than the existing bytes:4\n", "", 0},
		{"setquota -n 1 /quotas/a", "[Warning]: the count quota you create is less than the existing count:2\n" +
			"[Warning]: the bytes quota you create is less than the existing bytes:4\n", "", 0},
		{"setquota -o json -n 3 -b 99 /quotas/a", `{"path":"/quotas/a","quota":{"byteHardLimit":200,"bytes":99,"count":3,"countHardLimit":20},"stat":{"bytes":4,"count":2},"warnings":[]}` + "\n", "", 0},
		{"setquota -n 5 /quotas/a/b", "", "/quotas/a/b has a parent /quotas/a which has a quota\n", 1},
		{"setquota -n 5 /quotas", "", "/quotas has a child /quotas/a which has a quota\n", 1},
		{"setquota -n 5 /quotas/nope", "", "/quotas/nope does not exist.\n", 1},
		{"setquota -n 0 /quotas/a", "", "the num quota must be greater than zero\n", 1},
		{"setquota -B -1 /quotas/a", "", "the bytes quota must be greater than or equal to zero\n", 1},
		{"setquota -n few /quotas/a", "", "-n: \"few\" is not a number\n", 1},
		{"setquota -n 5 /zookeeper/quota", "", "cannot set a quota under the path: /zookeeper/quota\n", 1},
		{"setquota -n 5 /", "", "/ cannot have a quota; name a znode below it\n", 1},
		{"delquota -n -B /quotas/a", "", "", 0},
		{"listquota /quotas/a", open + "count=-1,bytes=99=;byteHardLimit=-1;countHardLimit=20\nOutput stat for /quotas/a count=2,bytes=4\n",
			"absolute path is /zookeeper/quota/quotas/a/zookeeper_limits\n", 0},
		{"listquota -o json /quotas/a", `{"path":"/quotas/a","quota":{"byteHardLimit":-1,"bytes":99,"count":-1,"countHardLimit":20},"stat":{"bytes":4,"count":2}}` + "\n",
			"", 0},
		{"delquota -o json /quotas/a", `{"deleted":true,"path":"/quotas/a","quota":null}` + "\n", "", 0},
		{"delquota -o json /quotas/a", `{"deleted":false,"path":"/quotas/a","quota":null}` + "\n", "", 0},
		{"listquota -o json /quotas/a", `{"path":"/quotas/a","quota":null,"stat":null}` + "\n",
			"", 0},
		{"stat /zookeeper/quota/quotas", "", "Node does not exist: /zookeeper/quota/quotas\n", 1},
		{"deleteall /zookeeper", "", "Failed to delete some node(s) in the subtree! Arguments are not valid : /zookeeper (it belongs to the server and cannot be deleted)\n", 0},
		{"delete /zookeeper/config", "", "Arguments are not valid : /zookeeper/config (it belongs to the server and cannot be deleted)\n", 1},
	} {
		out, stderr, exit := b.run(step.line)
		if out != step.out || stderr != step.err || exit != step.exit {
			t.Errorf("%s: exit %d\n%s%swant exit %d\n%s%s", step.line, exit, out, stderr, step.exit, step.out, step.err)
		}
	}
	if out, stderr, exit := b.run("setquota /quotas/a"); out != "" || exit != 1 || !strings.Contains(stderr, "missing limit") {
		t.Errorf("setquota without a limit: exit %d, %s", exit, stderr)
	}
}

func TestQuotasBelowAChroot(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{"setquota -n 5 /", "setquota -n 5 /x", "listquota /x", "delquota /x"} {
		if _, stderr, exit := b.run(line); exit != 1 || line != "setquota -n 5 /" && !strings.Contains(stderr, "outside the chroot") {
			t.Errorf("%s: exit %d, %s", line, exit, stderr)
		}
	}
}

func TestDataTooLarge(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"create /large @" + file, "multi 'create /large @" + file + "'"} {
		if _, stderr, exit := b.run(line); exit != 1 || !strings.Contains(stderr, "jute.maxbuffer") {
			t.Errorf("%s: exit %d, %s", line, exit, stderr)
		}
	}
	if err := os.WriteFile(file, make([]byte, 1000<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	b.must("create /large @" + file)
}

func TestNoTTLOnTheServer(t *testing.T) {
	b := newRootBench(t, apachetest.Test(t, apache.Options{}).Addr())
	if _, stderr, exit := b.run("create -t 1000 /x"); exit != 1 || !strings.Contains(stderr, "extendedTypesEnabled=true") {
		t.Errorf("exit %d, %s", exit, stderr)
	}
}

func TestSetACLOfALargeTree(t *testing.T) {
	b := newBench(t)
	b.grow("/big", 3000, 10)
	b.must("setAcl -R /big world:anyone:cdrwa,ip:127.0.0.1:r")
	out := b.must("getAcl /big/n0/n1/n2")
	if !strings.Contains(out, "127.0.0.1") {
		t.Errorf("getAcl prints %q", out)
	}
	if out := b.must("setAcl -R -o json /big world:anyone:cdrwa"); out != `{"failed":[],"path":"/big","set":3001}`+"\n" {
		t.Errorf("it prints %q", out)
	}
}

func TestAddAuthKeepsTheSecret(t *testing.T) {
	b := newBench(t)
	t.Setenv("ZKCTL_TEST_AUTH", "bob:fromenv")
	b.must("addauth digest $ZKCTL_TEST_AUTH")
	file := filepath.Join(t.TempDir(), "auth")
	if err := os.WriteFile(file, []byte("ann:fromfile\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.must("addauth digest @" + file)
	if out := b.must("whoami"); !strings.Contains(out, "bob") || !strings.Contains(out, "ann") {
		t.Errorf("whoami prints %q", out)
	}
	for _, line := range []string{"addauth digest hunter2", "addauth digest $hunter2", "addauth bogus hunter2"} {
		out, stderr, _ := b.run(line)
		if strings.Contains(out+stderr, "hunter2") {
			t.Errorf("%s shows the secret: %s%s", line, out, stderr)
		}
	}
}

func TestReconfigRequests(t *testing.T) {
	file := filepath.Join(t.TempDir(), "zoo.cfg.dynamic")
	if err := os.WriteFile(file, []byte("server.1=a:1:2;3\nserver.2=b:1:2;3\nversion=0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want reconfiguration
		err  string
	}{
		{[]string{"-add", "server.5=H5:1:2;3", "-remove", "1,2"}, reconfiguration{"server.5=h5:1:2;3", "1,2", "", -1}, ""},
		{[]string{"-add", "5=h5:1:2;3", "-add", "6=h6:1:2;3"}, reconfiguration{"server.5=h5:1:2;3,server.6=h6:1:2;3", "", "", -1}, ""},
		{[]string{"-members", "server.1=a:1:2;3", "-v", "1f"}, reconfiguration{"", "", "server.1=a:1:2;3", 0x1f}, ""},
		{[]string{"-file", file}, reconfiguration{"", "", "server.1=a:1:2;3\nserver.2=b:1:2;3", -1}, ""},
		{[]string{"-file", file, "-remove", "1"}, reconfiguration{}, "mixing incremental"},
		{[]string{"-s"}, reconfiguration{}, "nothing to change"},
	} {
		in, err := All.Parse(command.Args(append([]string{"reconfig"}, tc.args...)...))
		var got reconfiguration
		if err == nil {
			got, err = newReconfig(t.Context(), in)
		}
		if tc.err == "" && (err != nil || got != tc.want) || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
			t.Errorf("reconfig %s: %+v, %v; want %+v, %s", tc.args, got, err, tc.want, tc.err)
		}
	}
}
