package replica

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAdminForeignPages sends what browsers send for other sites' web pages, and what people and
// programs send.
func TestAdminForeignPages(t *testing.T) {
	s := serveAlone(t, Options{})
	local := serveAdmin(t, s.Replica, AdminOptions{Host: "devbox"})
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ServeAdmin(ln, AdminOptions{}); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	everywhere := "http://127.0.0.1:" + port
	self := strings.TrimPrefix(local, "http://")
	for _, c := range []struct {
		name, url, method, command, host string
		header                           []string
		want                             int
	}{
		{"a program", local, "GET", "ruok", "", nil, 200},
		{"by name", local, "GET", "ruok", "localhost:8080", nil, 200},
		{"by name in capitals, without a port", local, "GET", "ruok", "LocalHost", nil, 200},
		{"by another address of this machine", local, "GET", "ruok", "127.0.0.2:8080", nil, 200},
		{"by IPv6", local, "GET", "ruok", "[::1]:8080", nil, 200},
		{"by the name in admin.serverAddress", local, "GET", "ruok", "devbox:8080", nil, 200},
		{"typed into a browser", local, "GET", "ruok", "", []string{"Sec-Fetch-Site", "none"}, 200},
		{"a link on its own page", local, "GET", "ruok", "", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"a form on its own page", local, "GET", "ruok", "", []string{"Sec-Fetch-Site", "same-origin", "Origin", local}, 200},
		{"a name that was rebound", local, "GET", "ruok", "evil.example:8080", nil, 403},
		{"a name that was rebound, as its own page", local, "GET", "ruok", "evil.example", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://evil.example"}, 403},
		{"a name that looks like an address", local, "GET", "ruok", "127.0.0.1.evil.example", nil, 403},
		{"a name that looks local", local, "GET", "ruok", "localhost.evil.example:80", nil, 403},
		{"an image on a page", local, "GET", "stat_reset", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a script on a page", local, "POST", "restore", "", []string{"Origin", "https://evil.example"}, 403},
		{"a page without an origin", local, "POST", "restore", "", []string{"Origin", "null"}, 403},
		{"another port of this machine", local, "GET", "ruok", "", []string{"Origin", "http://127.0.0.1:1"}, 403},
		{"a browser that asks first", local, "OPTIONS", "restore", "", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 403},
		{"no command at all", local, "GET", "", "evil.example", nil, 403},
		{"any name where all may connect", everywhere, "GET", "ruok", "zk1.example:8080", nil, 200},
		{"its own page there", everywhere, "GET", "ruok", "zk1.example:8080", []string{"Origin", "http://zk1.example:8080"}, 200},
		{"a script on a page there", everywhere, "GET", "ruok", "zk1.example:8080", []string{"Origin", "http://evil.example"}, 403},
		{"an image on a page there", everywhere, "GET", "ruok", "zk1.example:8080", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.url+"/commands/"+c.command, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		if c.host == "" && c.url == local {
			req.Host = self
		}
		for i := 0; i < len(c.header); i += 2 {
			req.Header.Set(c.header[i], c.header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d: %s", c.name, res.StatusCode, c.want, text)
		}
	}
	// An old-fashioned probe speaks HTTP/1.0 without a Host header.
	nc, err := net.Dial("tcp", self)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(nc, "GET /commands/ruok HTTP/1.0\r\n\r\n")
	if answer, err := io.ReadAll(nc); err != nil || !strings.Contains(string(answer), " 200 ") {
		t.Errorf("HTTP/1.0 without a host: %s %v", answer, err)
	}
}

// TestRestoreBounded checks the limits of a restore on disk space and time. Compressed data counts
// uncompressed.
func TestRestoreBounded(t *testing.T) {
	const most = 100_000
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 10*most))
	z.Close()
	var fits bytes.Buffer
	z = gzip.NewWriter(&fits)
	_, _ = z.Write(make([]byte, most))
	z.Close()
	for _, c := range []struct {
		name string
		body []byte
		want int64 // -1 for an error
	}{
		{"as much as there may be", make([]byte, most), most},
		{"a byte more", make([]byte, most+1), -1},
		{"as much, compressed", fits.Bytes(), most},
		{"too much, compressed", bomb.Bytes(), -1},
		{"nothing", nil, 0},
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		err = receive(f, bytes.NewReader(c.body), most)
		info, statErr := f.Stat()
		if statErr != nil {
			t.Fatal(statErr)
		}
		f.Close()
		if (err != nil) != (c.want < 0) || err == nil && info.Size() != c.want || info.Size() > most+1 {
			t.Errorf("%s: %v, and %d bytes on the disk", c.name, err, info.Size())
		}
	}

	// A slow body ends when the time for all of it is up.
	got := make(chan error, 1)
	s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &patientBody{r.Body, http.NewResponseController(w), time.Minute, time.Now().Add(50 * time.Millisecond)}
		_, err := io.Copy(io.Discard, body)
		got <- err
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	defer s.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	drips := time.NewTicker(time.Millisecond)
	defer drips.Stop()
	end := time.After(time.Minute)
	for {
		select {
		case err := <-got:
			if err == nil {
				t.Error("the body is taken for whole")
			}
			return
		case <-drips.C:
			_, _ = nc.Write([]byte{0})
		case <-end:
			t.Fatal("a body that drips does not end")
		}
	}
}

// A refused restore leaves nothing in the data directory, not even while it arrives.
func TestRestoreLeavesNothing(t *testing.T) {
	s := serveAlone(t, Options{DataDir: t.TempDir()})
	url := serveAdmin(t, s.Replica, AdminOptions{Restore: s.replace}) + "/commands/restore"
	if res, text := fetch(t, "POST", url, strings.NewReader(strings.Repeat("x", 1000)), "Authorization", anybody); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("restore: %d %s", res.StatusCode, text)
	}
	left, err := filepath.Glob(filepath.Join(s.opt.DataDir, ".restore-*"))
	if err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}
