package krb5

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"github.com/zkctl/zkctl/internal/port/porttest"
)

// cacheBytes is a cache of joe@R with a ticket-granting ticket, of each version of the format.
func cacheBytes(version byte) []byte {
	var order binary.AppendByteOrder = binary.BigEndian
	if version < 3 {
		order = binary.NativeEndian
	}
	b := []byte{5, version}
	u16 := func(n uint16) { b = order.AppendUint16(b, n) }
	u32 := func(n uint32) { b = order.AppendUint32(b, n) }
	data := func(s string) { u32(uint32(len(s))); b = append(b, s...) }
	principal := func(realm string, names ...string) {
		n := uint32(len(names))
		if version > 1 {
			u32(1)
		} else {
			n++
		}
		u32(n)
		data(realm)
		for _, name := range names {
			data(name)
		}
	}
	if version == 4 {
		u16(12)
		b = append(b, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	principal("R", "joe")
	for _, server := range [][]string{{"X-CACHECONF:", "krb5_ccache_conf_data"}, {"R", "krbtgt", "R"}} {
		principal("R", "joe")
		principal(server[0], server[1:]...)
		u16(18)
		if version == 3 {
			u16(18)
		}
		data(strings.Repeat("k", 32))
		for _, when := range []uint32{1000, 2000, 3000, 4000} {
			u32(when)
		}
		b = append(b, 0, 1, 2, 3, 4)
		u32(1) // an address
		u16(2)
		data("\x7f\x00\x00\x01")
		u32(0)
		data("ticket")
		data("")
	}
	return b
}

func TestCache(t *testing.T) {
	for version := byte(1); version <= 4; version++ {
		whole := cacheBytes(version)
		c, err := parseCache(whole)
		if err != nil || c.owner.String() != "joe@R" || len(c.entries) != 1 {
			t.Fatalf("version %d: %+v, %v", version, c, err)
		}
		e := c.entries[0]
		if e.server.String() != "krbtgt/R@R" || e.key.KeyType != 18 || len(e.key.KeyValue) != 32 || string(e.ticket) != "ticket" ||
			!e.start.Equal(time.Unix(2000, 0)) || !e.end.Equal(time.Unix(3000, 0)) || !e.till.Equal(time.Unix(4000, 0)) {
			t.Errorf("version %d: %+v", version, e)
		}
		for n := range whole {
			if c, err := parseCache(whole[:n]); err == nil && len(c.entries) > 0 {
				t.Errorf("version %d: cut to %d of %d bytes, it is read", version, n, len(whole))
			}
		}
	}
	dir := t.TempDir()
	write(t, dir, "tktAbc", string(cacheBytes(4)))
	write(t, dir, "primary", "tktAbc\n")
	if c, err := readCache("DIR:" + dir); err != nil || c.name != filepath.Join(dir, "tktAbc") {
		t.Error(c, err)
	}
	if c, err := readCache("DIR::" + filepath.Join(dir, "tktAbc")); err != nil || c.owner.Realm != "R" {
		t.Error(c, err)
	}
	write(t, dir, "primary", "../x\n")
	if _, err := readCache("DIR:" + dir); err == nil || !strings.Contains(err.Error(), "does not name a file") {
		t.Error(err)
	}
}

func keytabBytes(t testing.TB) []byte {
	k := keytab.New()
	if err := k.AddEntry("joe/admin", "R", "secret", time.Unix(1000, 0), 1, 18); err != nil {
		t.Fatal(err)
	}
	if err := k.AddEntry("ann", "R", "secret", time.Unix(1000, 0), 1, 17); err != nil {
		t.Fatal(err)
	}
	b, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeytab(t *testing.T) {
	whole := keytabBytes(t)
	dir := t.TempDir()
	k, err := ReadKeytab("FILE:" + write(t, dir, "whole", string(whole)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range k.Principals() {
		names = append(names, p.String())
	}
	if want := []string{"joe/admin@R", "ann@R"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	for text, want := range map[string]string{
		"": "it is not a keytab", "\x05\x03": "it is not a keytab", "\xef\xbb\xbf\x05\x02": "it is not a keytab", "\x05\x02": "cut off or damaged",
		string(whole[:len(whole)-60]): "cut off or damaged", "\x05\x02\x00\x00\x00\x00": "it holds no key",
	} {
		file := write(t, dir, "bad", text)
		if _, err := ReadKeytab(file); err == nil || !strings.HasPrefix(err.Error(), "keytab "+file+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzFiles(f *testing.F) {
	for version := byte(1); version <= 4; version++ {
		f.Add(cacheBytes(version))
	}
	f.Add(keytabBytes(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseCache(b); err == nil {
			for i := range c.entries {
				_, _ = c.entries[i].open(c.owner)
			}
		}
		file := filepath.Join(t.TempDir(), "keytab")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := ReadKeytab(file); err == nil && len(k.Principals()) == 0 {
			t.Error("a keytab of nobody")
		}
	})
}

// TestHostileKDC: what claims to be a KDC neither ends the program nor fills its memory.
func TestHostileKDC(t *testing.T) {
	for name, test := range map[string]struct {
		answer []byte
		want   string
	}{
		"hangs up":                     {nil, "it closed the connection"},
		"enormous":                     {[]byte{0xff, 0xff, 0xff, 0xff}, "announced a reply of 4294967295 bytes; is it a KDC?"},
		"cut off":                      {[]byte{0, 0, 0, 9, 1}, "it closed the connection"},
		"nonsense":                     {[]byte("\x00\x00\x00\x05\x1b[31m"), "cannot be read"},
		"an error that cannot be read": {[]byte("\x00\x00\x00\x03\x7e\x01\x30"), "cannot be read"},
	} {
		addr := porttest.ServeEach(t, func(_ int, conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write(test.answer)
		})
		c := &Client{Principal: "joe@R", Service: "zookeeper", Password: func() (string, error) { return "x", nil },
			Config: func() (*Config, error) { return SimpleConfig("R", addr), nil }}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		_, err := c.Start(ctx, "localhost", loopback())
		cancel()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.ContainsRune(err.Error(), 0x1b) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestUDP: a KDC that only listens there is found, too.
func TestUDP(t *testing.T) {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		b := make([]byte, 4096)
		n, from, err := l.ReadFrom(b)
		if err == nil {
			_, _ = l.WriteTo(append([]byte("answer to "), b[:n]...), from)
		}
	}()
	if reply, err := SimpleConfig("R", l.LocalAddr().String()).ask(t.Context(), "R", []byte("question")); err != nil || string(reply) != "answer to question" {
		t.Errorf("%q, %v", reply, err)
	}
}
