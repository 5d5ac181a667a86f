package krb5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
)

// cache is a credential cache: a file of MIT Kerberos.
type cache struct {
	name    string // as kinit -c takes it
	owner   Principal
	entries []cached
}

// cached is a ticket in a cache.
type cached struct {
	server           Principal
	key              types.EncryptionKey
	start, end, till time.Time // valid from, until, renewable until; start and till may be zero
	ticket           []byte
}

// cacheName returns the name of the cache to use: the one given, that of KRB5CCNAME, or the default.
func (c *Config) resolveCache(name string) string {
	if name == "" {
		name = os.Getenv("KRB5CCNAME")
	}
	if name == "" && c != nil {
		name = c.cacheName
	}
	if name == "" {
		name = filepath.Join(os.TempDir(), "krb5cc_%{uid}")
		if os.PathSeparator == '/' {
			name = "/tmp/krb5cc_%{uid}" // whatever TMPDIR is
		}
	}
	return expandTokens(name)
}

// expandTokens replaces the parameters of MIT Kerberos in a name.
func expandTokens(name string) string {
	if !strings.Contains(name, "%{") {
		return name
	}
	uid, username := strconv.Itoa(os.Getuid()), ""
	if u, err := user.Current(); err == nil {
		uid, username = u.Uid, u.Username
	}
	return strings.NewReplacer("%{uid}", uid, "%{euid}", uid, "%{USERID}", uid, "%{username}", username,
		"%{TEMP}", os.TempDir(), "%{null}", "").Replace(name)
}

// readCache reads the cache of that name: a path, FILE:path, DIR:folder or DIR::path.
func readCache(name string) (*cache, error) {
	file := name
	kind, rest, typed := strings.Cut(name, ":")
	if typed && len(kind) > 1 { // not the drive of Windows
		switch kind {
		case "FILE":
			file = rest
		case "DIR":
			if path, ok := strings.CutPrefix(rest, ":"); ok {
				file = path
				break
			}
			primary := "tkt"
			if text, err := infile.Settings(filepath.Join(rest, "primary")); err == nil {
				primary = strings.TrimSpace(string(text))
			}
			if filepath.Base(primary) != primary {
				return nil, fmt.Errorf("credential cache %s: its file primary does not name a file", escape.Line(name))
			}
			file = filepath.Join(rest, primary)
		case "KEYRING", "KCM", "API", "MSLSA", "MEMORY":
			return nil, fmt.Errorf("credential cache %q: caches of type %s cannot be read; run kinit -c FILE:%s and use -ccache %s",
				name, kind, filepath.Join(os.TempDir(), "zkctl.ccache"), filepath.Join(os.TempDir(), "zkctl.ccache"))
		default:
			return nil, fmt.Errorf("credential cache %s: unknown type %q; use FILE: or DIR:", escape.Line(name), kind)
		}
	}
	text, err := infile.Settings(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no Kerberos ticket: credential cache %s does not exist; run kinit", escape.Line(file))
	case err != nil:
		return nil, fmt.Errorf("credential cache: %w", err)
	}
	c, err := parseCache(text)
	if err != nil {
		return nil, fmt.Errorf("credential cache %s: %w", escape.Line(file), err)
	}
	c.name = file
	return c, nil
}

// parseCache reads the format that MIT Kerberos documents as "Credential cache file format".
func parseCache(b []byte) (*cache, error) {
	if len(b) < 2 || b[0] != 5 || b[1] < 1 || b[1] > 4 {
		return nil, errors.New("it is not a credential cache; run kinit to make a new one")
	}
	r := &cacheReader{b: b[2:], version: b[1], order: binary.BigEndian}
	if r.version < 3 {
		r.order = binary.NativeEndian
	}
	if r.version == 4 {
		r.bytes(int(r.u16()))
	}
	c := &cache{owner: r.principal()}
	for len(r.b) > 0 && !r.failed {
		r.principal()
		e := cached{server: r.principal()}
		e.key.KeyType = int32(int16(r.u16()))
		if r.version == 3 {
			r.u16() // repeated
		}
		e.key.KeyValue = r.data()
		r.u32() // when the user logged in
		e.start, e.end, e.till = r.time(), r.time(), r.time()
		r.bytes(1 + 4) // is_skey, flags
		for range 2 {  // addresses, authorization data
			for n := r.u32(); n > 0 && !r.failed; n-- {
				r.u16()
				r.data()
			}
		}
		e.ticket = r.data()
		r.data() // a second ticket
		if !r.failed && e.server.Realm != "X-CACHECONF:" {
			c.entries = append(c.entries, e)
		}
	}
	if r.failed {
		return nil, errors.New("it is cut off or damaged; run kinit to make a new one")
	}
	return c, nil
}

// cacheReader reads primitives; after the first failure all are zero.
type cacheReader struct {
	b       []byte
	version byte
	order   binary.ByteOrder
	failed  bool
}

func (r *cacheReader) bytes(n int) []byte {
	if r.failed || n < 0 || n > len(r.b) {
		r.failed = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *cacheReader) u16() uint16 {
	if b := r.bytes(2); b != nil {
		return r.order.Uint16(b)
	}
	return 0
}

func (r *cacheReader) u32() uint32 {
	if b := r.bytes(4); b != nil {
		return r.order.Uint32(b)
	}
	return 0
}

func (r *cacheReader) data() []byte {
	n := r.u32()
	if n > 1<<24 {
		r.failed = true
		return nil
	}
	return r.bytes(int(n))
}

func (r *cacheReader) time() time.Time {
	n := r.u32()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

func (r *cacheReader) principal() (p Principal) {
	if r.version > 1 {
		p.Name.NameType = int32(r.u32())
	}
	n := r.u32()
	if r.version == 1 {
		n-- // it counts the realm
	}
	p.Realm = string(r.data())
	if n > 100 {
		r.failed = true
	}
	for ; n > 0 && !r.failed; n-- {
		p.Name.NameString = append(p.Name.NameString, string(r.data()))
	}
	return p
}
