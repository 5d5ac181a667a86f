package replica

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

// anybody is an identity for a server whose root grants everyone everything.
const anybody = "digest me:secret"

func TestSnapshotAndRestore(t *testing.T) {
	ctx := context.Background()
	s := serveAlone(t, Options{})
	url := serveAdmin(t, s.Replica, AdminOptions{}) + "/commands/"
	c := dial(t, s.addr)
	if _, _, err := c.Create(ctx, "/kept", []byte("x"), proto.OpenACL, proto.Persistent, 0); err != nil {
		t.Fatal(err)
	}
	for _, command := range snapshotNames {
		if res, text := fetch(t, "GET", url+command, nil); res.StatusCode != http.StatusUnauthorized || !strings.Contains(text, `"error" : "Auth info is missing for the command"`) {
			t.Errorf("%s without an Authorization: %d %s", command, res.StatusCode, text)
		}
	}
	for _, header := range []string{"none me:secret", "digest", "digest me:secret more"} {
		if res, text := fetch(t, "GET", url+"snapshot", nil, "Authorization", header); res.StatusCode != http.StatusUnauthorized || !strings.Contains(text, "Not authenticated") {
			t.Errorf("Authorization %q: %d %s", header, res.StatusCode, text)
		}
	}
	res, file := fetch(t, "GET", url+"snapshot", nil, "Authorization", anybody)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/octet-stream" ||
		res.Header.Get("last_zxid") != "0x2" || !strings.HasPrefix(file, "ZKSN") {
		t.Fatalf("snapshot: %d %v %.20q", res.StatusCode, res.Header, file)
	}
	if res, text := fetch(t, "POST", url+"restore", strings.NewReader(file), "Authorization", anybody); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("restore where nobody has said how: %d %s", res.StatusCode, text)
	}

	other := serveAlone(t, Options{})
	url = serveAdmin(t, other.Replica, AdminOptions{Restore: other.replace, RateInterval: 1}) + "/commands/"
	for name, body := range map[string]string{"nothing": "", "cut off": file[:len(file)-1], "damaged": file[:40] + "?" + file[41:], "no snapshot": strings.Repeat("x", 100)} {
		if res, text := fetch(t, "POST", url+"rest", strings.NewReader(body), "Authorization", anybody); res.StatusCode != http.StatusInternalServerError {
			t.Errorf("restore of what is %s: %d %s", name, res.StatusCode, text)
		}
	}
	res, text := fetch(t, "POST", url+"restore", strings.NewReader(file), "Authorization", anybody)
	if want := "{\n  \"last_zxid\" : 2,\n  \"command\" : \"restore\",\n  \"error\" : null\n}"; res.StatusCode != http.StatusOK || text != want {
		t.Fatalf("restore: %d %s", res.StatusCode, text)
	}
	if data, _, err := dial(t, other.addr).Get(ctx, "/kept", false); err != nil || string(data) != "x" {
		t.Errorf("after the restore /kept is %q, %v", data, err)
	}
	if res, _ := fetch(t, "GET", url+"restore", nil, "Authorization", anybody); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET restore: %d", res.StatusCode)
	}
}

func TestSnapshotNeedsAllPermissions(t *testing.T) {
	ctx := context.Background()
	s := serveAlone(t, Options{})
	url := serveAdmin(t, s.Replica, AdminOptions{}) + "/commands/snapshot"
	c := dial(t, s.addr)
	mine, err := s.auth.digest("admin:secret")
	if err != nil {
		t.Fatal(err)
	}
	acl := []proto.ACL{{Perms: proto.PermAll, ID: proto.ID{Scheme: "digest", ID: mine}}, {Perms: proto.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}
	if _, err := c.SetACL(ctx, "/", acl, -1); err != nil {
		t.Fatal(err)
	}
	if res, text := fetch(t, "GET", url, nil, "Authorization", anybody); res.StatusCode != http.StatusForbidden || !strings.Contains(text, "Not authorized") {
		t.Errorf("a stranger: %d %s", res.StatusCode, text)
	}
	if res, _ := fetch(t, "GET", url, nil, "Authorization", "digest admin:secret"); res.StatusCode != http.StatusOK {
		t.Errorf("the owner: %d", res.StatusCode)
	}
	if res, text := fetch(t, "GET", url, nil, "Authorization", "digest admin:secret"); res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusOK {
		t.Errorf("again at once: %d %s", res.StatusCode, text)
	}
}

func TestLimiter(t *testing.T) {
	l := limiter{interval: 1 << 60}
	if !l.allow() || l.allow() {
		t.Error("one request, and no second one, is let through")
	}
	l = limiter{}
	for range 3 {
		if l.since = l.since.Add(-1); !l.allow() {
			t.Error("refused after the interval")
		}
	}
}

func TestSnapshotIntoTheDataDirectory(t *testing.T) {
	s := serveAlone(t, Options{DataDir: t.TempDir()})
	url := serveAdmin(t, s.Replica, AdminOptions{}) + "/commands/"
	dial(t, s.addr).Sync(context.Background(), "/")
	res, text := fetch(t, "GET", url+"snap?streaming=false", nil, "Authorization", anybody)
	if res.StatusCode != http.StatusOK || res.Header.Get("snapshot_size") == "" || !strings.Contains(text, `"command" : "snapshot"`) {
		t.Fatalf("%d %v %s", res.StatusCode, res.Header, text)
	}
	zxid := strings.TrimPrefix(res.Header.Get("last_zxid"), "0x")
	if _, text := fetch(t, "GET", url+"lsnp", nil); !strings.Contains(text, `"zxid" : "`+zxid+`"`) {
		t.Errorf("the last snapshot is %s, want zxid %s", text, zxid)
	}
}

func TestAdminEndsWithItsServer(t *testing.T) {
	s := serveAlone(t, Options{})
	url := serveAdmin(t, s.Replica, AdminOptions{})
	fetch(t, "GET", url+"/commands/ruok", nil)
	s.Close()
	if res, err := http.Get(url + "/commands/ruok"); err == nil {
		res.Body.Close()
		t.Error("it answers after Close")
	}
}

func FuzzJSON(f *testing.F) {
	f.Add("a\"b\\\n\x01\xff\u00e9", int64(1))
	f.Fuzz(func(t *testing.T, text string, n int64) {
		var out strings.Builder
		w := bufio.NewWriter(&out)
		j := jsonWriter{w: w}
		j.value(fields{{text, listOf([]any{text, n, nil, fields{}, fields{{"x", 1.5}}})}, {"empty", listOf([]int(nil))}})
		w.Flush()
		var v map[string]any
		if err := json.Unmarshal([]byte(out.String()), &v); err != nil {
			t.Fatalf("%v in %q", err, out.String())
		}
		if list, ok := v[strings.ToValidUTF8(text, "\uFFFD")].([]any); ok && list[0] != strings.ToValidUTF8(text, "\uFFFD") {
			t.Fatalf("%q came back as %q", text, list[0])
		}
	})
}
