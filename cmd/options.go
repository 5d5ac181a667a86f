package cmd

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
)

// options are the settings from the command line, the environment and the profile. Each has the
// same name in all: the flag -name, the variable ZKCTL_NAME and the profile's key name.
type options struct {
	Server              string
	Timeout             millis
	ReadOnly            bool
	WaitForConnection   bool
	ClientConfiguration string
	MaxBuffer           size

	Local   members
	DataDir string
	Emulate string

	Script    string
	KeepGoing bool
	Output    string
	Yes       bool
	Quiet     bool
	Color     string
	Verbose   bool

	Auth     []string
	AuthFile []string
	TLS      tlsOptions
	SASL     saslOptions

	Profile     string
	Config      string
	Guard       client.GuardLevel
	PromptColor promptColor

	Help, Version bool

	run    client.Guard                        // what the command line or the environment asks for
	guard  client.Guard                        // of the servers that the options describe
	guards func([]client.Address) client.Guard // of any servers

	ours  bool   // Server is run by zkctl, so the settings for zkCli's JVM do not apply
	login string // the JAAS file with which such a server wants to be met; "" for none
}

type tlsOptions struct {
	On                                     bool
	KeyStore, KeyStoreType, Key            string
	KeyStorePassword, KeyStorePasswordFile string
	TrustStore, TrustStoreType             string
	TrustPassword, TrustPasswordFile       string
	SkipHostnameVerification               bool
}

type saslOptions struct {
	Mode                     string
	User, PasswordFile       string
	Principal, Keytab, Cache string
	Krb5Conf, Service, JAAS  string
	Canonicalize             bool
}

// The groups in the list that --help prints.
const (
	groupConnection = "Connection"
	groupLocal      = "Private server"
	groupRunning    = "Running commands"
	groupIdentity   = "Identity and TLS"
	groupSASL       = "SASL and Kerberos"
	groupSettings   = "Settings"
)

var optionGroups = []string{groupConnection, groupLocal, groupRunning, groupIdentity, groupSASL, groupSettings}

// Annotations of a flag.
const (
	groupKey  = "zkctl_group"
	scopeKey  = "zkctl_scope"
	isFileKey = "zkctl_file" // in a profile, a relative path starts in the config file's folder
)

// Where an option can be set, besides the command line.
const (
	scopeFlag = "flag" // nowhere
	scopeEnv  = "env"  // the environment, not a profile
)

func (o *options) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("zkctl", pflag.ContinueOnError)
	fs.SortFlags = false
	group := ""
	annotate := func(name, key, value string) { _ = fs.SetAnnotation(name, key, []string{value}) }
	mark := func(scope string, names ...string) {
		for _, name := range names {
			annotate(name, groupKey, group)
			if scope != "" {
				annotate(name, scopeKey, scope)
			}
		}
	}

	group = groupConnection
	o.Timeout = millis(30 * time.Second)
	fs.StringVar(&o.Server, "server", "localhost:2181", "`servers` of the ensemble: host:port,host:port/chroot")
	fs.Var(&o.Timeout, "timeout", "session `timeout`, in milliseconds or with a unit (10s)")
	fs.BoolVarP(&o.ReadOnly, "readonly", "r", false, "accept a server that is cut off from the quorum")
	fs.BoolVar(&o.WaitForConnection, "waitforconnection", false, "if no server answers, keep trying until the timeout")
	fs.StringVar(&o.ClientConfiguration, "client-configuration", "", "ZooKeeper's client property `file` (TLS and others)")
	fs.Var(&o.MaxBuffer, "jute-maxbuffer", "largest reply to accept, in `bytes` (default 64 MiB)")
	mark("", "server", "timeout", "readonly", "waitforconnection", "client-configuration", "jute-maxbuffer")

	group = groupLocal
	fs.Var(&o.Local, "local", "start a private ZooKeeper that stops when zkctl exits; -local=3 starts an ensemble of 3 `members`")
	fs.Lookup("local").NoOptDefVal = "1"
	fs.StringVar(&o.DataDir, "data-dir", "", "keep the data of -local in `folder`")
	fs.StringVar(&o.Emulate, "emulate", "", "ZooKeeper `release` for -local to emulate: 3.8 or 3.9 (default 3.9)")
	mark(scopeFlag, "local", "data-dir", "emulate")

	group = groupRunning
	fs.StringVarP(&o.Script, "file", "f", "", "run the commands in `file`, one per line; - means standard input")
	fs.BoolVar(&o.KeepGoing, "keep-going", false, "in a script, continue after an error")
	fs.StringVarP(&o.Output, "output", "o", "text", "output `format`: text (like zkCli.sh) or json")
	fs.BoolVarP(&o.Yes, "yes", "y", false, "skip confirmation prompts")
	fs.BoolVarP(&o.Quiet, "quiet", "q", false, "print only the answer, errors and warnings")
	fs.StringVar(&o.Color, "color", "auto", "`when` to use colour: auto, always or never")
	// Differs(stdout-answers): zkCli reports its connection on stdout.
	fs.BoolVarP(&o.Verbose, "verbose", "v", false, "log connection events to stderr")
	mark(scopeFlag, "file", "keep-going")
	mark("", "output", "yes", "quiet", "color", "verbose")

	group = groupIdentity
	fs.StringArrayVar(&o.Auth, "auth", nil, "add the `identity` scheme:data; repeatable")
	fs.StringArrayVar(&o.AuthFile, "auth-file", nil, "add the identities in `file`, one scheme:data per line")
	fs.BoolVar(&o.TLS.On, "tls", false, "connect with TLS; implied by a store below")
	fs.StringVar(&o.TLS.TrustStore, "tls-truststore", "", "`file` with the trusted authorities: PEM, PKCS12 or JKS")
	fs.StringVar(&o.TLS.KeyStore, "tls-keystore", "", "`file` with the client's key and certificate: PEM, PKCS12 or JKS")
	fs.StringVar(&o.TLS.Key, "tls-key", "", "PEM `file` with the key, if the key store has only certificates")
	fs.StringVar(&o.TLS.TrustStoreType, "tls-truststore-type", "", "`type` of the file: PEM, PKCS12 or JKS (default: from its name)")
	fs.StringVar(&o.TLS.KeyStoreType, "tls-keystore-type", "", "`type` of the file: PEM, PKCS12 or JKS (default: from its name)")
	fs.StringVar(&o.TLS.TrustPassword, "tls-truststore-password", "", "`password` of the trust store; a password file is safer")
	fs.StringVar(&o.TLS.TrustPasswordFile, "tls-truststore-password-file", "", "`file` with the password of the trust store")
	fs.StringVar(&o.TLS.KeyStorePassword, "tls-keystore-password", "", "`password` of the key store; a password file is safer")
	fs.StringVar(&o.TLS.KeyStorePasswordFile, "tls-keystore-password-file", "", "`file` with the password of the key store")
	fs.BoolVar(&o.TLS.SkipHostnameVerification, "tls-skip-hostname-verification", false, "accept a certificate issued for another host")
	mark("", "auth", "auth-file", "tls", "tls-truststore", "tls-keystore", "tls-key", "tls-truststore-type", "tls-keystore-type",
		"tls-truststore-password", "tls-truststore-password-file", "tls-keystore-password",
		"tls-keystore-password-file", "tls-skip-hostname-verification")

	group = groupSASL
	fs.StringVar(&o.SASL.Mode, "sasl", "auto", "SASL `mechanism`: auto (if an identity is named), digest-md5, gssapi or off")
	fs.StringVar(&o.SASL.JAAS, "jaas", "", "log in as the JAAS `file`[:Section] says (default section: Client)")
	fs.StringVar(&o.SASL.User, "sasl-user", "", "`user` for DIGEST-MD5")
	fs.StringVar(&o.SASL.PasswordFile, "sasl-password-file", "", "`file` with the password of the user or the principal")
	fs.StringVar(&o.SASL.Principal, "principal", "", "Kerberos `principal`, as name@REALM")
	fs.StringVar(&o.SASL.Keytab, "keytab", "", "`file` with the principal's keys")
	fs.StringVar(&o.SASL.Cache, "ccache", "", "`cache` with a Kerberos ticket, as kinit -c takes it: FILE: or DIR:")
	fs.StringVar(&o.SASL.Krb5Conf, "krb5-conf", "", "configuration `file` of Kerberos (default: KRB5_CONFIG or the system's)")
	fs.StringVar(&o.SASL.Service, "sasl-service", "", "first part of the servers' Kerberos `name` (default zookeeper)")
	fs.BoolVar(&o.SASL.Canonicalize, "sasl-canonicalize", true, "take the servers' names for Kerberos from the DNS")
	mark("", "sasl", "jaas", "sasl-user", "sasl-password-file", "principal", "keytab", "ccache", "krb5-conf", "sasl-service", "sasl-canonicalize")

	group = groupSettings
	fs.StringVar(&o.Profile, "profile", "", "use the settings of `profile` in the config file")
	fs.StringVar(&o.Config, "config", "", "config `file` (default "+shownConfigFile()+")")
	fs.Var(&o.Guard, "guard", "`level` of protection: none, confirm or readonly")
	fs.Var(&o.PromptColor, "prompt-color", "`color` of the profile's name in the prompt")
	fs.BoolVarP(&o.Help, "help", "h", false, "show this help")
	fs.BoolVar(&o.Version, "version", false, "show the version")
	mark(scopeEnv, "profile", "config")
	mark("", "guard", "prompt-color")
	mark(scopeFlag, "help", "version")

	for _, name := range []string{"client-configuration", "auth-file", "tls-truststore", "tls-keystore", "tls-key",
		"tls-truststore-password-file", "tls-keystore-password-file", "jaas", "sasl-password-file", "keytab", "krb5-conf"} {
		annotate(name, isFileKey, "")
	}
	return fs
}

func annotation(f *pflag.Flag, key string) string {
	if v := f.Annotations[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// envName returns the variable that sets an option, or "" if there is none.
func envName(f *pflag.Flag) string {
	if annotation(f, scopeKey) == scopeFlag {
		return ""
	}
	return "ZKCTL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// profileKey returns the key that sets an option in a profile, or "" if there is none.
func profileKey(f *pflag.Flag) string {
	if annotation(f, scopeKey) != "" {
		return ""
	}
	return f.Name
}

func valueName(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	return name
}

// set sets the option to values from the environment or a profile. pflag's own Set marks the flag
// as changed, so that lower priorities leave it alone.
func set(fs *pflag.FlagSet, f *pflag.Flag, values []string) error {
	for _, v := range values {
		if err := fs.Set(f.Name, v); err != nil {
			var invalid *pflag.InvalidValueError
			if errors.As(err, &invalid) {
				err = command.InvalidValue(f, v, invalid.Unwrap())
			}
			return err
		}
	}
	return nil
}

// fillFromEnv sets the options not given on the command line from ZKCTL_*. An empty variable
// counts as unset. A list has one value per line.
func fillFromEnv(fs *pflag.FlagSet) error {
	var failed error
	fs.VisitAll(func(f *pflag.Flag) {
		name := envName(f)
		if failed != nil || f.Changed || name == "" {
			return
		}
		value := os.Getenv(name)
		if value == "" {
			return
		}
		values := []string{value}
		if _, list := f.Value.(pflag.SliceValue); list {
			values = strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })
		}
		if err := set(fs, f, values); err != nil {
			failed = fmt.Errorf("environment %s: %w", name, err)
		}
	})
	return failed
}

// millis is a duration, given in milliseconds or with a unit.
type millis time.Duration

func (m *millis) String() string { return strconv.FormatInt(time.Duration(*m).Milliseconds(), 10) }
func (*millis) Type() string     { return "millis" }

// Set accepts 1 ms to 2147483647 ms, the protocol's range.
func (m *millis) Set(s string) error {
	var d time.Duration
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n <= math.MaxInt32 {
		d = time.Duration(n) * time.Millisecond
	} else if d, err = time.ParseDuration(s); err != nil {
		return errors.New("use milliseconds, such as 30000, or a number with a unit, such as 30s")
	}
	if d < time.Millisecond || d > math.MaxInt32*time.Millisecond {
		return errors.New("use 1 to 2147483647 milliseconds")
	}
	*m = millis(d)
	return nil
}

// size is a number of bytes; 0 means the default.
type size int

func (b *size) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.Itoa(int(*b))
}
func (*size) Type() string { return "size" }

// Set accepts what Java's Integer.decode does, which reads -Djute.maxbuffer.
func (b *size) Set(s string) error {
	n, err := strconv.ParseInt(s, 0, 32)
	if err != nil || n < 1 {
		return errors.New("use 1 to 2147483647 bytes, such as 4194304 or 0x400000")
	}
	*b = size(n)
	return nil
}

// members is a number of members of an ensemble; 0 means none.
type members int

func (m *members) String() string {
	if *m == 0 {
		return ""
	}
	return strconv.Itoa(int(*m))
}
func (*members) Type() string { return "members" }

func (m *members) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 99 {
		return errors.New("use 1 to 99 members")
	}
	*m = members(n)
	return nil
}
