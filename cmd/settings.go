package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/sasl"
	"github.com/zkctl/zkctl/internal/sasl/login"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/local"
)

// settle completes the options: flags override ZKCTL_*, which override the profile, which
// overrides the defaults. Then it checks them and sets up the streams.
func (o *options) settle(flags *pflag.FlagSet, s *ui.Streams) error {
	given := map[string]int{}
	rankIdentity(given, flags, 3)
	if err := fillFromEnv(flags); err != nil {
		return err
	}
	rankIdentity(given, flags, 2)
	run, moved := o.Guard, flags.Changed("server")
	c, err := o.readConfig()
	if err != nil {
		return err
	}
	secret, err := c.fill(flags, o.Profile)
	if err != nil {
		return err
	}
	if err := o.learn(c, c.chosen(o.Profile), run, moved); err != nil {
		return err
	}
	rankIdentity(given, flags, 1)
	o.SASL.prefer(given)
	if secret {
		warnIfShared(s, c.file)
	}
	return o.settleStreams(s)
}

// settleStreams checks the options that concern the streams, and sets these up.
func (o *options) settleStreams(s *ui.Streams) error {
	if _, err := ui.ParseFormat(o.Output); err != nil {
		return fmt.Errorf("-output: %w", err)
	}
	switch o.Color {
	case "auto":
	case "always":
		s.UseColor(true)
	case "never":
		s.UseColor(false)
	default:
		return fmt.Errorf("--color: invalid value %q; use auto, always or never", o.Color)
	}
	return nil
}

// readConfig reads the config file that the options name, or the user's.
func (o *options) readConfig() (*config, error) {
	if o.Config != "" {
		return readConfig(o.Config, true)
	}
	file := configFile()
	if o.Profile != "" {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no profile %q: config file %s does not exist (use --config to name another)", o.Profile, file)
		}
	}
	return readConfig(file, false)
}

// format is the output format, which settle has checked.
func (o *options) format() ui.Format {
	f, _ := ui.ParseFormat(o.Output)
	return f
}

// session returns the configuration of a session as the options describe it. ZooKeeper's own
// property file fills in what the options leave open, followed by what zkCli.sh gives its JVM.
func (o *options) session(flags *pflag.FlagSet, s *ui.Streams) (client.Config, error) {
	cfg := client.Config{
		Servers:        o.Server,
		SessionTimeout: time.Duration(o.Timeout),
		ReadOnly:       o.ReadOnly,
		Wait:           o.WaitForConnection,
		Guard:          o.guard,
		Guards:         o.guards,
	}
	if o.Verbose {
		cfg.Log = func(format string, args ...any) { fmt.Fprintf(s.Err, "zkctl: "+format+"\n", args...) }
	}
	properties := &client.Properties{}
	if !o.ours {
		system, warnings := zoocfg.ClientProperties(os.LookupEnv)
		for _, warning := range warnings {
			ui.Warn(s.Err, "%s", warning)
		}
		if err := properties.LoadSystem("CLIENT_JVMFLAGS", system); err != nil {
			return cfg, err
		}
	}
	if o.ClientConfiguration != "" {
		if err := properties.LoadFile(o.ClientConfiguration); err != nil {
			return cfg, err
		}
		if properties.TLS.KeyStore.Password+properties.TLS.TrustStore.Password != "" {
			warnIfShared(s, o.ClientConfiguration)
		}
	}
	for _, warning := range properties.Warnings {
		ui.Warn(s.Err, "%s", warning)
	}
	o.TLS.override(flags, properties)
	for _, store := range []client.Store{properties.TLS.KeyStore, properties.TLS.TrustStore} {
		if store.PasswordFile != "" {
			warnIfShared(s, store.PasswordFile)
		}
	}
	if properties.Secure {
		var err error
		if cfg.TLS, cfg.TLSStores, err = properties.TLS.Open(); err != nil {
			return cfg, fmt.Errorf("TLS: %w", err)
		}
		properties.Secure = false
	}
	if err := properties.Apply(&cfg); err != nil {
		return cfg, err
	}
	switch {
	case o.login != "":
		properties.SASL.JAAS, properties.SASL.Section, properties.SASL.Asked = o.login, local.ClientSection, true
	case o.ours:
		properties.SASL.Mode = "off" // unless an option says otherwise
	}
	if err := o.SASL.override(flags, &properties.SASL); err != nil {
		return cfg, err
	}
	cfg.Warn = func(format string, args ...any) { ui.Warn(s.Err, format, args...) }
	var err error
	if cfg.SASL, err = login.Choose(&properties.SASL, login.Reporter{
		Warn: cfg.Warn, Log: cfg.Log, Secret: func(file string) { warnIfShared(s, file) },
	}); err != nil {
		return cfg, fmt.Errorf("SASL: %w", err)
	}
	if o.MaxBuffer > 0 {
		cfg.MaxPacket = int(o.MaxBuffer)
	}
	for _, identity := range o.Auth {
		a, err := parseAuth(identity)
		if err != nil {
			return cfg, fmt.Errorf("--auth: %w", err)
		}
		cfg.Auth = append(cfg.Auth, a)
	}
	for _, file := range o.AuthFile {
		list, err := readAuthFile(s, file)
		if err != nil {
			return cfg, err
		}
		cfg.Auth = append(cfg.Auth, list...)
	}
	return cfg, nil
}

// override replaces what the options set. A store implies TLS, unless -tls=false is given.
func (o *tlsOptions) override(flags *pflag.FlagSet, p *client.Properties) {
	replace := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	for _, store := range []struct {
		to                          *client.Store
		file, kind, password, paths string
	}{
		{&p.TLS.KeyStore, o.KeyStore, o.KeyStoreType, o.KeyStorePassword, o.KeyStorePasswordFile},
		{&p.TLS.TrustStore, o.TrustStore, o.TrustStoreType, o.TrustPassword, o.TrustPasswordFile},
	} {
		if store.file != "" {
			*store.to = client.Store{} // another store has another password
			p.Secure, p.TLS.Supplier = true, ""
		}
		replace(&store.to.File, store.file)
		replace(&store.to.Type, store.kind)
		if store.password != "" {
			store.to.Password, store.to.PasswordFile = store.password, ""
		}
		replace(&store.to.PasswordFile, store.paths)
	}
	replace(&p.TLS.KeyStore.KeyFile, o.Key)
	if flags.Changed("tls-skip-hostname-verification") {
		p.TLS.SkipHostname = o.SkipHostnameVerification
	}
	if flags.Changed("tls") {
		p.Secure = o.On
	}
}

// rankIdentity notes the rank of the SASL options that have been set since the last call.
func rankIdentity(given map[string]int, flags *pflag.FlagSet, rank int) {
	for _, name := range []string{"jaas", "sasl-user", "principal", "keytab", "ccache", "sasl-password-file"} {
		if f := flags.Lookup(name); f != nil && f.Changed && f.Value.String() != "" && given[name] == 0 {
			given[name] = rank
		}
	}
}

// prefer drops the identities that one of a higher rank replaces: a JAAS file, a user, or a principal with its files.
func (o *saslOptions) prefer(given map[string]int) {
	kerberos := max(given["principal"], given["keytab"], given["ccache"])
	best := max(given["jaas"], given["sasl-user"], kerberos)
	dropped := false
	for _, identity := range []struct {
		rank   int
		fields []*string
	}{
		{given["jaas"], []*string{&o.JAAS}},
		{given["sasl-user"], []*string{&o.User}},
		{kerberos, []*string{&o.Principal, &o.Keytab, &o.Cache}},
	} {
		if identity.rank == 0 || identity.rank == best {
			continue
		}
		dropped = true
		for _, field := range identity.fields {
			*field = ""
		}
	}
	if dropped && given["sasl-password-file"] < best {
		o.PasswordFile = "" // of another identity
	}
}

// override replaces what the options set.
func (o *saslOptions) override(flags *pflag.FlagSet, s *sasl.Settings) error {
	if !slices.Contains(login.Modes, o.Mode) {
		return fmt.Errorf("-sasl: invalid value %q; use %s", o.Mode, strings.Join(login.Modes, ", "))
	}
	switch {
	case o.JAAS != "":
		s.JAAS, s.Section = login.SplitJAAS(o.JAAS)
		s.Asked = true
	case o.User+o.Principal+o.Keytab+o.Cache != "":
		s.JAAS, s.Section, s.Asked = "", "", false // whoever chose them
	}
	replace := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	replace(&s.Krb5Conf, o.Krb5Conf)
	replace(&s.Service, o.Service)
	s.User, s.PasswordFile, s.Principal, s.Keytab, s.Cache = o.User, o.PasswordFile, o.Principal, o.Keytab, o.Cache
	if flags.Changed("sasl-canonicalize") {
		s.NoCanonical = !o.Canonicalize
	}
	// An option that names an identity overrides zookeeper.sasl.client=false.
	if flags.Changed("sasl") || o.JAAS+o.User+o.Principal+o.Keytab+o.Cache != "" {
		s.Mode = o.Mode
	}
	return nil
}

// parseAuth parses "scheme:data". The error does not repeat the data, which is a secret.
func parseAuth(text string) (client.Auth, error) {
	scheme, data, ok := strings.Cut(text, ":")
	if !ok || scheme == "" || strings.ContainsAny(scheme, " \t") {
		return client.Auth{}, fmt.Errorf("invalid identity; use scheme:data, such as digest:user:password")
	}
	return client.Auth{Scheme: scheme, Data: []byte(data)}, commands.CheckIdentity(scheme, []byte(data))
}

// readAuthFile reads one identity per line; empty lines and lines that start with # are skipped.
func readAuthFile(s *ui.Streams, file string) ([]client.Auth, error) {
	text, err := infile.Settings(file)
	if err != nil {
		return nil, fmt.Errorf("read the identities: %w", err)
	}
	warnIfShared(s, file)
	var list []client.Auth
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, "\r")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		a, err := parseAuth(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", file, i+1, err)
		}
		list = append(list, a)
	}
	return list, nil
}
