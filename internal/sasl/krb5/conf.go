package krb5

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
)

// Config is what the files krb5.conf say.
type Config struct {
	*config.Config
	files     []string // as named, for errors
	cacheName string   // default_ccache_name
	keytab    string   // default_keytab_name
	dns       bool     // look up KDCs in the DNS
}

// ConfigFiles returns the files that MIT Kerberos reads: those of KRB5_CONFIG, or the system's.
func ConfigFiles() []string {
	if names := filepath.SplitList(os.Getenv("KRB5_CONFIG")); len(names) > 0 {
		return names
	}
	if runtime.GOOS == "windows" {
		return []string{`C:\ProgramData\MIT\Kerberos5\krb5.ini`, `C:\Windows\krb5.ini`}
	}
	return []string{"/etc/krb5.conf"}
}

// LoadConfig reads the files, of which the first value of a setting counts; those that do not
// exist are skipped, but one must exist. Files that they include are read too.
func LoadConfig(files []string) (*Config, error) {
	r := &confReader{}
	var missing error
	for _, name := range files {
		switch err := r.read(name, 0); {
		case errors.Is(err, fs.ErrNotExist):
			missing = cmp.Or(missing, err)
		case err != nil:
			return nil, err
		}
	}
	if len(r.opened) == 0 {
		return nil, fmt.Errorf("the configuration of Kerberos is missing: %w; name the file with -krb5-conf", missing)
	}
	return r.config(files)
}

// SimpleConfig is the configuration of one realm with its KDCs, host:port each.
func SimpleConfig(realm string, kdcs ...string) *Config {
	r := &confReader{}
	r.add("libdefaults", "", "default_realm", realm)
	for _, kdc := range kdcs {
		r.add("realms", realm, "kdc", kdc)
	}
	c, _ := r.config(nil) // has nothing that can be wrong
	return c
}

// setting is a line of a krb5.conf: in [section], in realm = { } if that is not empty, key = value.
type setting struct {
	section, block, key, value string
	file                       string
	line                       int
}

type confReader struct {
	settings []setting
	opened   []string
}

func (r *confReader) add(section, block, key, value string) {
	r.settings = append(r.settings, setting{section: section, block: block, key: key, value: value})
}

// Bounds of a configuration.
const (
	maxIncludes = 10
	maxSettings = 100_000
)

func confFault(file string, line int, format string, args ...any) error {
	return fmt.Errorf("%s, line %d: %s", escape.Line(file), line, fmt.Sprintf(format, args...))
}

// read reads a file in the format of MIT Kerberos's profiles.
func (r *confReader) read(file string, depth int) error {
	text, err := infile.Settings(file)
	if err != nil {
		return err
	}
	r.opened = append(r.opened, file)
	section := ""
	var blocks []string
	opening := "" // key = of a block whose brace is on the next line
	line := 0
	for raw := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		line++
		if !utf8.ValidString(raw) || strings.IndexByte(raw, 0) >= 0 {
			return confFault(file, line, "not a text file; is it a krb5.conf?")
		}
		l := strings.TrimSpace(raw)
		if l == "" || l[0] == '#' || l[0] == ';' {
			continue
		}
		if name, ok := directive(l, "include"); ok {
			if err := r.include(file, line, name, depth); err != nil {
				return err
			}
			continue
		}
		if name, ok := directive(l, "includedir"); ok {
			if err := r.includeDir(file, line, name, depth); err != nil {
				return err
			}
			continue
		}
		if _, ok := directive(l, "module"); ok {
			continue
		}
		switch {
		case l[0] == '[':
			// An asterisk after the bracket, which keeps later files from extending the section, is not used.
			name, _, closed := strings.Cut(l[1:], "]")
			switch {
			case !closed:
				return confFault(file, line, "the bracket that closes the section's name is missing")
			case len(blocks) > 0 || opening != "":
				return confFault(file, line, "a section starts inside { }; a closing brace is missing")
			}
			section = strings.ToLower(strings.TrimSpace(name))
			continue
		case section == "":
			return confFault(file, line, "a setting before the first section, such as [libdefaults]; is it a krb5.conf?")
		case l[0] == '}':
			if len(blocks) == 0 {
				return confFault(file, line, "a closing brace without an opening one")
			}
			blocks = blocks[:len(blocks)-1]
			continue
		case l == "{" && opening != "":
			blocks, opening = append(blocks, opening), ""
			continue
		}
		key, value, ok := strings.Cut(l, "=")
		if !ok {
			return confFault(file, line, "expected key = value")
		}
		key, value = strings.TrimSuffix(strings.TrimSpace(key), "*"), strings.TrimSpace(value)
		switch {
		case value == "{":
			blocks = append(blocks, key)
		case value == "" && section != "libdefaults":
			opening = key
		case len(blocks) <= 1:
			block := ""
			if len(blocks) == 1 {
				block = blocks[0]
			}
			r.settings = append(r.settings, setting{section, block, key, unquoteConf(value), file, line})
			if len(r.settings) > maxSettings {
				return confFault(file, line, "more than %d settings", maxSettings)
			}
		}
	}
	if len(blocks) > 0 {
		return confFault(file, line, "the closing brace of %q is missing", blocks[len(blocks)-1])
	}
	return nil
}

// directive returns the argument of a directive, which starts a line.
func directive(line, name string) (string, bool) {
	rest, ok := strings.CutPrefix(line, name)
	if !ok || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return "", false
	}
	rest = strings.TrimSpace(rest)
	return rest, !strings.HasPrefix(rest, "=") // a setting of that name
}

func (r *confReader) include(file string, line int, name string, depth int) error {
	if depth == maxIncludes {
		return confFault(file, line, "files include each other more than %d deep", maxIncludes)
	}
	if err := r.read(name, depth+1); err != nil {
		return confFault(file, line, "include: %v", err)
	}
	return nil
}

// includeDir reads the files of a folder that MIT Kerberos reads: those whose names end in .conf or
// consist of letters, digits, dashes and underscores.
func (r *confReader) includeDir(file string, line int, dir string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return confFault(file, line, "includedir: %v", err)
	}
	for _, e := range entries {
		plain := strings.IndexFunc(e.Name(), func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
		}) < 0
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !plain && !strings.HasSuffix(e.Name(), ".conf") {
			continue
		}
		if err := r.include(file, line, filepath.Join(dir, e.Name()), depth); err != nil {
			return err
		}
	}
	return nil
}

// unquoteConf removes the quotes and escapes of a quoted value.
func unquoteConf(value string) string {
	if len(value) < 2 || value[0] != '"' {
		return value
	}
	var out strings.Builder
	for i := 1; i < len(value) && value[i] != '"'; i++ {
		c := value[i]
		if c == '\\' && i+1 < len(value) {
			i++
			if c = value[i]; c == 'n' || c == 't' {
				c = map[byte]byte{'n': '\n', 't': '\t'}[c]
			}
		}
		out.WriteByte(c)
	}
	return out.String()
}

// The encryption types that can be used, in the order in which they are asked for. RC4 and 3DES are
// good enough to get a ticket, but GSSAPI's tokens have another form with them.
var (
	loginTypes   = []int32{etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA384_192, etypeID.AES128_CTS_HMAC_SHA256_128, etypeID.RC4_HMAC}
	sessionTypes = loginTypes[:4:4]
)

func (r *confReader) config(files []string) (*Config, error) {
	c := &Config{Config: config.New(), files: files, dns: true}
	d := &c.LibDefaults
	d.NoAddresses, d.TicketLifetime = true, 24*time.Hour
	d.DefaultTktEnctypeIDs, d.DefaultTGSEnctypeIDs, d.PermittedEnctypeIDs = loginTypes, sessionTypes, loginTypes
	seen := map[string]bool{}
	for _, s := range r.settings {
		switch {
		case s.section == "libdefaults" && s.block == "":
			if seen[s.key] {
				continue
			}
			seen[s.key] = true
			if err := c.libDefault(s); err != nil {
				return nil, confFault(s.file, s.line, "%s = %s: %v", s.key, s.value, err)
			}
		case s.section == "realms" && s.block != "" && s.key == "kdc":
			c.addKDC(s.block, s.value)
		case s.section == "domain_realm" && s.block == "":
			if name := strings.ToLower(s.key); c.DomainRealm[name] == "" {
				c.DomainRealm[name] = s.value
			}
		}
	}
	return c, nil
}

func (c *Config) addKDC(realm, value string) {
	for _, kdc := range strings.Fields(value) {
		i := slices.IndexFunc(c.Realms, func(r config.Realm) bool { return r.Realm == realm })
		if i < 0 {
			c.Realms = append(c.Realms, config.Realm{Realm: realm})
			i = len(c.Realms) - 1
		}
		c.Realms[i].KDC = append(c.Realms[i].KDC, kdc)
	}
}

func (c *Config) libDefault(s setting) (err error) {
	d := &c.LibDefaults
	switch s.key {
	case "default_realm":
		d.DefaultRealm = s.value
	case "default_ccache_name":
		c.cacheName = s.value
	case "default_keytab_name":
		c.keytab = s.value
	case "dns_lookup_kdc":
		c.dns, err = confBool(s.value)
	case "forwardable":
		d.Forwardable, err = confBool(s.value)
	case "proxiable":
		d.Proxiable, err = confBool(s.value)
	case "clockskew":
		d.Clockskew, err = confDuration(s.value)
	case "ticket_lifetime":
		d.TicketLifetime, err = confDuration(s.value)
	case "renew_lifetime":
		d.RenewLifetime, err = confDuration(s.value)
	case "default_tkt_enctypes":
		d.DefaultTktEnctypeIDs = choose(s.value, loginTypes)
	case "default_tgs_enctypes":
		d.DefaultTGSEnctypeIDs = choose(s.value, sessionTypes)
	}
	return err
}

// choose returns the encryption types in a list that can be used, or all of them if there are none.
func choose(list string, usable []int32) []int32 {
	var chosen []int32
	for _, name := range strings.FieldsFunc(list, func(c rune) bool { return c == ' ' || c == ',' || c == '\t' }) {
		if id := etypeID.ETypesByName[strings.ToLower(name)]; id != 0 && slices.Contains(usable, id) {
			chosen = append(chosen, id)
		}
	}
	if len(chosen) == 0 {
		return usable
	}
	return chosen
}

func confBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "t", "yes", "y", "on", "1":
		return true, nil
	case "false", "f", "no", "n", "off", "nil", "0":
		return false, nil
	}
	return false, errors.New("expected true or false")
}

// confDuration parses seconds, 1d2h3m4s, or h:m or h:m:s.
func confDuration(s string) (time.Duration, error) {
	fault := errors.New("expected a duration, such as 36000, 10h or 1d")
	s = strings.ReplaceAll(s, " ", "")
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	if parts := strings.Split(s, ":"); len(parts) == 2 || len(parts) == 3 {
		total := time.Duration(0)
		for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second}[:len(parts)] {
			n, err := strconv.ParseUint(parts[i], 10, 16)
			if err != nil {
				return 0, fault
			}
			total += time.Duration(n) * unit
		}
		return total, nil
	}
	total, number := time.Duration(0), ""
	units := map[rune]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	for _, c := range s {
		if c >= '0' && c <= '9' {
			number += string(c)
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || units[c] == 0 {
			return 0, fault
		}
		total += time.Duration(n) * units[c]
		number = ""
	}
	if number != "" || s == "" || total > 100*365*24*time.Hour {
		return 0, fault
	}
	return total, nil
}

// named is the configuration in an error.
func (c *Config) named() string {
	if len(c.files) == 0 {
		return "the configuration of Kerberos"
	}
	return escape.Line(strings.Join(c.files, ", "))
}
