package transfer

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/localserver"
)

// TestExportViaAdmin: the tree that an AdminServer sends while others write is said not to be consistent. With the logs after it, it is
// the tree of one zxid.
func TestExportViaAdmin(t *testing.T) {
	admin, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	server, err := localserver.Start(t.Context(), localserver.Options{Emulate: "3.9", DataDir: t.TempDir(), Properties: map[string]string{
		"admin.enableServer": "true", "admin.serverPort": strconv.Itoa(admin), "admin.rateLimiterIntervalInMS": "0", "forceSync": "no", "snapCount": "100000"}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	b := newBench(t, server.ConnectString())
	const root, znodes = "/app", 2000
	b.create(root, "", proto.OpenACL, proto.Persistent, 0)
	b.create(root+"/c", "", proto.OpenACL, proto.Container, 0)
	var ops []proto.MultiOp
	for i := range znodes {
		ops = append(ops, client.CreateOp(fmt.Sprintf("%s/%03d", root, i), []byte(strings.Repeat("x", 400)), proto.OpenACL, proto.Persistent, 0))
	}
	if _, err := b.conn.Multi(t.Context(), ops); err != nil {
		t.Fatal(err)
	}
	dir, ports := t.TempDir(), strconv.Itoa(admin)
	via := []string{"--via", "admin", "--admin-port", ports, "-O"}
	export := func(file string, more ...string) (errs string, code int) {
		_, errs, code = b.run(append(append([]string{"export", root}, append(via, file)...), more...)...)
		return errs, code
	}
	quiet, fuzzy, whole := filepath.Join(dir, "quiet"), filepath.Join(dir, "fuzzy"), filepath.Join(dir, "whole")
	b.env.Session.Tree = ensemble.Tree
	if errs, code := export(quiet); code == 0 || !strings.Contains(errs, "needs an identity") {
		t.Errorf("without an identity: %d, %s", code, errs)
	}
	s := session.New(func() (client.Config, error) {
		return client.Config{Servers: server.ConnectString(), Auth: []client.Auth{{Scheme: "digest", Data: []byte("u:p")}}}, nil
	})
	defer s.Close()
	s.Tree = ensemble.Tree
	b.env.Session = s
	if errs, code := export(quiet); code != 0 || !strings.Contains(errs, "as they were at zxid") {
		t.Errorf("where nobody writes: %d, %s", code, errs)
	}
	if list, h := exported(t, quiet); !h.Consistent || !h.Kinds || len(list) != znodes+2 {
		t.Errorf("%d znodes, %+v", len(list), h)
	}
	b.must("diff", root, "file:"+quiet, "--fields", everything+",stat")
	var stop atomic.Bool
	var acls atomic.Int32
	written := make(chan error, 1)
	go func() { written <- churn(t, server.ConnectString(), root, znodes, &stop, &acls) }()
	await.That(t, time.Minute, "others write", func() bool { return acls.Load() > 0 })
	if errs, code := export(fuzzy); code == 0 || !strings.Contains(errs, "--log DIR") {
		t.Errorf("while others write: %d, %s", code, errs)
	}
	if _, h := exported(t, fuzzy); h.Consistent || h.End < h.Start {
		t.Errorf("%+v", h)
	}
	if errs, code := export(fuzzy, "--allow-inconsistent"); code != 0 || !strings.Contains(errs, "may not be consistent") {
		t.Errorf("allowed: %d, %s", code, errs)
	}
	data := server.Members()[0].DataDir()
	if errs, code := export(whole, "--log", data); code != 0 {
		t.Errorf("with the logs: %d, %s", code, errs)
	}
	stop.Store(true)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	_, h := exported(t, whole)
	if !h.Consistent || h.Start != h.End {
		t.Errorf("%+v", h)
	}
	b.must("diff", fmt.Sprintf("file:%s@0x%x:%s", data, h.End, root), "file:"+whole, "--fields", everything+",stat")
	if errs, code := export(whole, "--log", dir); code == 0 || !strings.Contains(errs, "no transaction log") {
		t.Errorf("without a log: %d, %s", code, errs)
	}
	for _, words := range [][]string{{"--via", "http"}, {"--log", data}, {"--via", "admin", "--admin-port", "x"}} {
		if _, errs, code := b.run(append([]string{"export", root}, words...)...); code == 0 || errs == "" {
			t.Errorf("%q: exit %d, %s", words, code, errs)
		}
	}
	if _, errs, code := b.run("export", "file:"+whole, "--via", "admin"); code == 0 || !strings.Contains(errs, "is a file") {
		t.Errorf("of a file: %d, %s", code, errs)
	}
}
