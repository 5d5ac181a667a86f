package zoocfg

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/release"
)

// minSnapRetainCount is the smallest autopurge.snapRetainCount (QuorumPeerConfig).
const minSnapRetainCount = 3

// Properties are Java system properties: the name, as -D gives it, and the value.
type Properties map[string]string

// Warning is a problem in the configuration that does not keep the server from starting.
type Warning struct {
	File string // empty for a system property
	Line int    // starting at 1; 0 if not known
	Key  string // the property as the user wrote it; may be empty
	Text string // the message, without the key

	aboutClient bool // of a script: the flags of clients depend on it
}

// Unknown reports whether it warns about a property that neither ZooKeeper nor this server knows.
func (w Warning) Unknown() bool { return w.Text == unknown }

// EmbeddedOnly reports whether it is about the embedded server, so that Apache's may well run as the file says.
func (w Warning) EmbeddedOnly() bool { return !w.Unknown() && strings.Contains(w.Text, noEffectHere) }

// Repeated reports whether the property is set again further down.
func (w Warning) Repeated() bool { return w.Text == repeated }

// AboutVoters reports whether it warns about the number of participants.
func (w Warning) AboutVoters() bool {
	return w.Text == oneServer || w.Text == noFailure || w.Text == evenVoters
}

// ErrMyID is wrapped by Load's error if only the file myid is wrong or missing; Load then returns the Config too.
var ErrMyID = errors.New("myid")

func (w Warning) String() string {
	where := ""
	switch {
	case w.File != "" && w.Line > 0:
		where = fmt.Sprintf("%s:%d: ", w.File, w.Line)
	case w.File != "":
		where = w.File + ": "
	case w.Key != "":
		where = "-D"
	}
	if w.Key == "" {
		return where + w.Text
	}
	return where + w.Key + ": " + w.Text
}

// origin says where a property came from.
type origin struct {
	value, key, file string
	line             int
}

type loader struct {
	c        *Config
	warnings []Warning
	given    map[string]origin // all of zoo.cfg, and what -D sets, by zoo.cfg's names
	emulate  origin            // of the release; "" if not set
}

// EmulateKey is the property that names the ZooKeeper release to behave like. Apache's servers
// have no such property and ignore it.
const EmulateKey = "zkctl.emulate"

func (l *loader) warn(o origin, format string, args ...any) {
	l.warnings = append(l.warnings, Warning{File: o.file, Line: o.line, Key: o.key, Text: fmt.Sprintf(format, args...)})
}

// Load reads the zoo.cfg at path, the dynamic configuration file and myid file that it refers to,
// and the system properties; the result is what Apache's QuorumPeerMain would run with. Errors
// name the file and the key, and use Apache's words where it has any. A property that is unknown,
// or has no effect here, causes a warning, never an error. Load writes nothing: see BackUp,
// WriteDynamic and EditStatic.
func Load(path string, system Properties) (*Config, []Warning, error) {
	text, err := infile.Settings(path)
	if err != nil {
		return nil, nil, fmt.Errorf("Error processing %s: %w", path, err)
	}
	return LoadText(path, text, system)
}

// LoadText is Load for a file whose text has been read.
func LoadText(path string, text []byte, system Properties) (*Config, []Warning, error) {
	return load(path, text, system, true)
}

// Parse is Load for the text of a zoo.cfg that is not a file, without dynamicConfigFile. name
// stands for it in messages.
func Parse(name string, text []byte, system Properties) (*Config, []Warning, error) {
	return load(name, text, system, false)
}

func load(path string, text []byte, system Properties, isFile bool) (*Config, []Warning, error) {
	l := &loader{c: Default(), given: map[string]origin{}}
	err := l.load(path, text, system, isFile)
	if err != nil {
		err = fmt.Errorf("Error processing %s: %w", path, err)
	}
	if err != nil && !errors.Is(err, ErrMyID) {
		return nil, l.warnings, err
	}
	l.checkSupported()
	return l.c, l.warnings, err
}

func (l *loader) load(path string, text []byte, system Properties, isFile bool) error {
	entries, err := parseProperties(text)
	if err != nil {
		return err
	}
	l.warnRepeated(path, text)
	if isFile {
		l.c.File = path
	}
	if err := l.static(path, entries, system); err != nil {
		return err
	}
	if l.c.DynamicFile == "" {
		return l.ensemble(path, entries, false)
	}
	if !isFile {
		return fmt.Errorf("dynamicConfigFile needs a zoo.cfg file; give the server.N lines instead")
	}
	return l.dynamic()
}

// static reads everything except the ensemble (QuorumPeerConfig.parseProperties).
func (l *loader) static(path string, entries []entry, system Properties) error {
	c := l.c
	// Properties set in zoo.cfg hide those of -D.
	properties := map[string]origin{}
	for key, value := range system {
		properties[key] = origin{value: strings.TrimSpace(value), key: key}
	}
	if o, ok := properties[EmulateKey]; ok {
		properties["zookeeper."+EmulateKey] = o
	}
	if o, ok := properties["zookeeper.multiAddress.enabled"]; ok {
		c.MultiAddress = strings.EqualFold(o.value, "true")
	}
	hasDynamic := slices.ContainsFunc(entries, func(e entry) bool { return e.key == "dynamicConfigFile" })
	// In file order, so that the first mistake is the one reported.
	byLine := slices.Clone(entries)
	slices.SortStableFunc(byLine, func(a, b entry) int { return a.line - b.line })
	for _, e := range byLine {
		key, value := strings.TrimSpace(e.key), strings.TrimSpace(e.value)
		o := origin{value, key, path, e.line}
		l.given[key] = o
		if set, ok := fileSettings[key]; ok {
			before := *c
			if err := set(c, value); err != nil {
				return fmt.Errorf("line %d: %s=%s: %w", e.line, key, value, err)
			}
			l.warnUnused(o, key, &before)
			continue
		}
		if isEnsembleKey(key) {
			if hasDynamic {
				return fmt.Errorf("line %d: parameter: %s must be in a separate dynamic config file", e.line, key)
			}
			continue
		}
		if reason := fileWithoutEffect(key); reason != "" {
			l.warn(o, "%s", reason)
			continue
		}
		properties["zookeeper."+key] = o
	}
	for name, o := range properties {
		if key, ok := strings.CutPrefix(name, "zookeeper."); ok {
			l.given[key] = o
		}
	}
	l.system(properties)
	return l.validate(path)
}

func isEnsembleKey(key string) bool {
	return strings.HasPrefix(key, "server.") || strings.HasPrefix(key, "group") || strings.HasPrefix(key, "weight")
}

// warnRepeated warns about keys that a property file sets more than once.
func (l *loader) warnRepeated(file string, text []byte) {
	seen := map[string]int{}
	_ = scanProperties(text, false, func(line logicalLine) {
		if !line.isEntry {
			return
		}
		if before, again := seen[line.key]; again {
			l.warn(origin{key: line.key, file: file, line: before}, repeated)
		}
		seen[line.key] = line.line
	})
}

// warnUnused warns about a value that was read but makes no difference. A value that asks for
// what happens anyway needs no warning.
func (l *loader) warnUnused(o origin, key string, before *Config) {
	if reason := readWithoutEffect[key]; reason != "" && !reflect.DeepEqual(before, l.c) {
		l.warn(o, "%s", reason)
	}
}

// system applies the system properties, including those from zoo.cfg.
func (l *loader) system(properties map[string]origin) {
	apply := func(set setting, o origin, secret bool) {
		if err := set(l.c, o.value); err != nil {
			value := o.value
			if secret {
				value = "…"
			}
			l.warn(o, "%q: %v", value, err)
		}
	}
	digest := false
	var superUsers []origin
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		o := properties[name]
		key, prefixed := strings.CutPrefix(name, "zookeeper.")
		if set, ok := bareSettings[key]; ok {
			_, bare := properties[key]
			switch {
			case !prefixed:
				if _, both := properties["zookeeper."+key]; both && key == "fsync.warningthresholdms" {
					continue // the newer name wins
				}
				apply(set, o, false)
			case key == "fsync.warningthresholdms":
				apply(set, o, false)
			case bare:
				l.warn(o, "has no effect: -D%s overrides it", key)
			case o.file == "":
				l.warn(o, "has no effect: its name as a system property is %s", key)
			default:
				apply(set, o, false)
				l.warn(o, "has an effect here, but not in Apache ZooKeeper, which needs -D%s in SERVER_JVMFLAGS", key)
			}
			continue
		}
		if !prefixed {
			continue // other properties of a JVM
		}
		if key == EmulateKey {
			l.emulate = o
			continue
		}
		if set, ok := propertySettings[key]; ok {
			before := *l.c
			apply(set, o, strings.HasSuffix(key, ".password") || strings.HasSuffix(key, "Digest"))
			l.warnUnused(o, key, &before)
			if strings.HasPrefix(key, "ssl.quorum.") && !l.c.QuorumUsesTLS && !l.c.QuorumUnified {
				l.warn(o, "has no effect: neither sslQuorum nor portUnification is true")
			}
			continue
		}
		if isSuperUser(key) {
			l.c.SASL.SuperUsers = append(l.c.SASL.SuperUsers, o.value)
			superUsers = append(superUsers, o)
			continue
		}
		if strings.HasPrefix(key, "authProvider.") {
			switch builtInAuth(o.value) {
			case "x509":
				l.c.X509Auth = true
			case "sasl":
				l.c.SASL.Provider = true
			case "digest": // even if disabled (ProviderRegistry)
				digest = true
			}
			continue
		}
		if reason := propertyWithoutEffect(key, o.file != ""); reason != "" {
			l.warn(o, "%s", reason)
		}
	}
	l.c.DigestAuth = l.c.DigestAuth || digest
	if !l.c.SASL.Provider && l.c.SASL.LoginFile == "" {
		for _, o := range superUsers {
			l.warn(o, "has no effect without SASL: add authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider, and set java.security.auth.login.config")
		}
	}
	if l.c.SASL.Required { // whatever enforce.auth.schemes says (AuthenticationHelper)
		l.c.EnforceAuth, l.c.AuthSchemes = true, []string{"sasl"}
	}
}

// validate makes the checks at the end of QuorumPeerConfig.parseProperties.
func (l *loader) validate(path string) error {
	c := l.c
	given := func(key string) bool { return l.given[key].file != "" }
	if c.SnapRetainCount < minSnapRetainCount {
		l.warn(origin{key: "autopurge.snapRetainCount", file: path}, "Invalid autopurge.snapRetainCount: %d. Defaulting to %d", c.SnapRetainCount, minSnapRetainCount)
		c.SnapRetainCount = minSnapRetainCount
	}
	switch {
	case c.DataDir == "":
		return errors.New("dataDir is not set: add a line dataDir=/path/to/data")
	case c.Client.Port == 0 && given("clientPortAddress"):
		return errors.New("clientPortAddress is set but clientPort is not set")
	case c.SecureClient.Port == 0 && given("secureClientPortAddress"):
		return errors.New("secureClientPortAddress is set but secureClientPort is not set")
	case c.TickTime == 0:
		return errors.New("tickTime is not set: it must be more than 0 milliseconds")
	case c.TickTime < 0:
		return fmt.Errorf("tickTime=%d: it must be more than 0 milliseconds", c.TickTime.Milliseconds())
	}
	if err := c.QuorumSASL.check(); err != nil {
		return err
	}
	if c.DataLogDir == "" {
		c.DataLogDir = c.DataDir
	}
	for _, dir := range []struct{ key, path string }{{"dataDir", c.DataDir}, {"dataLogDir", c.DataLogDir}} {
		if given(dir.key) && !filepath.IsAbs(dir.path) {
			l.warn(origin{key: dir.key, file: path}, "%s is relative. Prepend ./ to indicate that you're sure!", dir.path)
		}
	}
	if p := c.MetricsProvider; p != "" && p != defaultProvider && !c.ExportsMetrics() {
		l.warn(l.given["metricsProvider.className"], "has no effect here: the only metrics providers are %s and %s", defaultProvider, PrometheusProvider)
	}
	if c.Client.Port == 0 {
		c.Client = HostPort{}
	}
	if c.SecureClient.Port == 0 {
		c.SecureClient = HostPort{}
	}
	c.deriveTimeouts()
	if c.MinSessionTimeout > c.MaxSessionTimeout {
		return errors.New("minSessionTimeout must not be larger than maxSessionTimeout")
	}
	if o := l.emulate; o.key != "" {
		var err error
		if c.Emulate, err = release.Parse(o.value); err != nil && o.file != "" {
			return fmt.Errorf("line %d: %s=%s: %w", o.line, o.key, o.value, err)
		} else if err != nil {
			return fmt.Errorf("-D%s=%s: %w", o.key, o.value, err)
		}
	}
	if c.SSLAuth != "x509" && c.SecureClient.Port != 0 {
		return fmt.Errorf("No auth provider configured for the SSL authentication scheme '%s'. (ssl.authProvider: only x509 is supported)", c.SSLAuth)
	}
	return nil
}

// dynamic reads the dynamic configuration file and the next one.
func (l *loader) dynamic() error {
	file := l.c.DynamicFile
	text, err := infile.Regular(file)
	if err != nil {
		return fmt.Errorf("dynamicConfigFile: %w", err)
	}
	entries, err := parseProperties(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	l.warnRepeated(file, text)
	if slices.ContainsFunc(entries, func(e entry) bool { return e.key == "version" }) {
		return fmt.Errorf("%s: dynamic file shouldn't have version inside (its name ends in it)", file)
	}
	// Differs(empty-dynamic-file): Apache treats a file without servers as that of a standalone
	// one. A member whose file was lost would run alone, beside the rest of its ensemble.
	if len(entries) == 0 {
		return fmt.Errorf("%s: the file has no server.N line; it may be truncated (copy another member's)", file)
	}
	if version, ok := VersionOfName(file); ok && version >= 0 {
		entries = append(entries, entry{key: "version", value: strconv.FormatInt(version, 16)})
	}
	if err := l.ensemble(file, entries, true); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	next := NextDynamicFile(l.c.File)
	text, err = infile.Regular(next)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		l.warn(origin{file: next}, "NextQuorumVerifier is initiated to null: %v", err)
		return nil
	}
	entries, err = parseProperties(text)
	if err == nil {
		l.c.LastSeen, err = parseVerifier(entries, false)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", next, err)
	}
	return nil
}

// ensemble creates the verifier and finds this server's place in it
// (QuorumPeerConfig.setupQuorumPeerConfig).
func (l *loader) ensemble(file string, entries []entry, strict bool) error {
	c := l.c
	v, err := parseVerifier(entries, strict)
	if err != nil {
		return err
	}
	if err := Check(v, c.StandaloneEnabled); err != nil {
		return err
	}
	if !c.MultiAddress {
		if err := checkSingleAddresses(v); err != nil {
			return err
		}
	}
	c.Verifier = v
	voters := len(v.Voting())
	switch {
	case voters == 1 && c.StandaloneEnabled:
		l.warn(origin{file: file}, oneServer)
	case voters == 1 || voters == 2:
		l.warn(origin{file: file}, noFailure)
	case voters > 0 && voters%2 == 0:
		l.warn(origin{file: file}, evenVoters)
	}
	if c.ServerID, err = ReadMyID(c.DataDir); err != nil {
		c.ServerID = NoServerID
		return myIDError{err}
	}
	if err := l.clientPort(); err != nil {
		return err
	}
	role := Participant
	if m, ok := c.Self(); ok {
		role = m.Role
	}
	if role != c.Role {
		l.warn(origin{file: c.File}, "Peer type from servers list (%s) doesn't match peerType (%s). Defaulting to servers list.", strings.ToUpper(role.String()), strings.ToUpper(c.Role.String()))
		c.Role = role
	}
	if !c.Distributed() {
		return nil
	}
	switch {
	case c.InitLimit == 0:
		return errors.New("initLimit is not set: set the number of ticks that a follower may take to connect and synchronise, such as initLimit=10")
	case c.SyncLimit == 0:
		return errors.New("syncLimit is not set: set the number of ticks that a follower may lag behind, such as syncLimit=5")
	case c.ServerID == NoServerID:
		return fmt.Errorf("%w file is missing: write this server's number to %s", ErrMyID, filepath.Join(c.DataDir, "myid"))
	}
	return nil
}

// myIDError is the error for a myid that cannot be read.
type myIDError struct{ error }

func (e myIDError) Unwrap() []error { return []error{e.error, ErrMyID} }

// clientPort determines where clients connect (QuorumPeerConfig.setupClientPort).
func (l *loader) clientPort() error {
	c := l.c
	self, ok := c.Self()
	if !ok {
		return nil
	}
	if self.Client.IsZero() {
		self.Client, self.ClientFromStatic = c.Client, true
		c.Verifier = c.Verifier.WithMember(self)
		return nil
	}
	if c.Client.Port != 0 && (c.Client.Port != self.Client.Port || !c.Client.AnyHost() && c.Client.Host != self.Client.Host) {
		return fmt.Errorf("client address for this server (id = %d) in static config file is %s is different from client address found in dynamic file: %s (remove clientPort or make them the same)", c.ServerID, c.Client, self.Client)
	}
	c.Client = self.Client
	return nil
}

// ReadMyID reads a server's number from the first line of dataDir/myid; NoServerID if there is no
// such file.
func ReadMyID(dataDir string) (int64, error) {
	file := filepath.Join(dataDir, "myid")
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return NoServerID, nil
	}
	text, err := infile.Settings(file)
	if err != nil {
		return 0, fmt.Errorf("read myid: %w", err)
	}
	first, _, _ := strings.Cut(string(text[:min(len(text), 64)]), "\n")
	first = strings.TrimSuffix(first, "\r")
	id, err := strconv.ParseInt(first, 10, 64)
	if err != nil || id == math.MinInt64 {
		return 0, fmt.Errorf("serverid %s is not a number (in %s; the first line must be a number and nothing else)", first, file)
	}
	return id, nil
}

// VersionOfName returns the version at the end of a dynamic configuration file's name:
// zoo.cfg.dynamic.100000000 has 0x100000000, zoo.cfg.dynamic has none
// (QuorumPeerConfig.getVersionFromFilename).
func VersionOfName(file string) (version int64, ok bool) {
	i := strings.LastIndexByte(file, '.')
	if i < 0 {
		return 0, false
	}
	version, err := strconv.ParseInt(file[i+1:], 16, 64)
	return version, err == nil
}
