package zoocfg

import (
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting stores a property's value, trimmed of white space, in a Config.
type setting func(c *Config, value string) error

// Names returns the names of the properties that have an effect, as zoo.cfg has them, sorted.
func Names() []string {
	names := map[string]bool{}
	for _, settings := range []map[string]setting{fileSettings, propertySettings, bareSettings} {
		for name := range settings {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// fileSettings are the keys that QuorumPeerConfig.parseProperties handles itself. A bad value of
// one of them stops the server. server.N, group.N and weight.N are read together later.
var fileSettings = map[string]setting{
	"dataDir":                       text(func(c *Config) *string { return &c.DataDir }),
	"dataLogDir":                    text(func(c *Config) *string { return &c.DataLogDir }),
	"dynamicConfigFile":             text(func(c *Config) *string { return &c.DynamicFile }),
	"clientPort":                    port(func(c *Config) *int { return &c.Client.Port }),
	"clientPortAddress":             host(func(c *Config) *string { return &c.Client.Host }),
	"secureClientPort":              port(func(c *Config) *int { return &c.SecureClient.Port }),
	"secureClientPortAddress":       host(func(c *Config) *string { return &c.SecureClient.Host }),
	"clientPortListenBacklog":       number(func(c *Config) *int { return &c.ClientListenBacklog }),
	"tickTime":                      ms(func(c *Config) *time.Duration { return &c.TickTime }),
	"minSessionTimeout":             number(func(c *Config) *int64 { return &c.minTimeoutMS }),
	"maxSessionTimeout":             number(func(c *Config) *int64 { return &c.maxTimeoutMS }),
	"maxClientCnxns":                number(func(c *Config) *int { return &c.MaxClientCnxns }),
	"initLimit":                     number(func(c *Config) *int { return &c.InitLimit }),
	"syncLimit":                     number(func(c *Config) *int { return &c.SyncLimit }),
	"connectToLearnerMasterLimit":   number(func(c *Config) *int { return &c.ConnectToLearnerMasterLimit }),
	"localSessionsEnabled":          strict(func(c *Config) *bool { return &c.LocalSessions }),
	"localSessionsUpgradingEnabled": strict(func(c *Config) *bool { return &c.LocalSessionsUpgrade }),
	"quorumListenOnAllIPs":          strict(func(c *Config) *bool { return &c.QuorumListenOnAllIPs }),
	"syncEnabled":                   strict(func(c *Config) *bool { return &c.SyncEnabled }),
	"standaloneEnabled":             strict(func(c *Config) *bool { return &c.StandaloneEnabled }),
	"reconfigEnabled":               strict(func(c *Config) *bool { return &c.ReconfigEnabled }),
	"sslQuorum":                     strict(func(c *Config) *bool { return &c.QuorumUsesTLS }),
	"portUnification":               strict(func(c *Config) *bool { return &c.QuorumUnified }),
	"sslQuorumReloadCertFiles":      strict(func(c *Config) *bool { return &c.QuorumReload }),
	"multiAddress.enabled":          strict(func(c *Config) *bool { return &c.MultiAddress }),
	"autopurge.snapRetainCount":     number(func(c *Config) *int { return &c.SnapRetainCount }),
	"autopurge.purgeInterval": func(c *Config, v string) error {
		hours, err := javaInt(v)
		c.PurgeInterval = time.Duration(max(0, hours)) * time.Hour
		return err
	},
	"peerType": func(c *Config, v string) (err error) {
		c.Role, err = parseRole(v)
		return err
	},
	"metricsProvider.className": text(func(c *Config) *string { return &c.MetricsProvider }),
	"metricsProvider.httpHost":  host(func(c *Config) *string { return &c.MetricsAddress.Host }),
	"metricsProvider.httpPort":  port(func(c *Config) *int { return &c.MetricsAddress.Port }),
	"metricsProvider.exportJvmInfo": func(c *Config, v string) error {
		c.MetricsProcess = isTrue(v) // Boolean.parseBoolean
		return nil
	},
	"electionAlg": func(_ *Config, v string) error {
		if n, err := javaInt(v); err != nil || n != 3 {
			return fmt.Errorf("Invalid electionAlg value. Only 3 is supported.")
		}
		return nil
	},
}

// propertySettings are read from the system property "zookeeper."+key. A line in zoo.cfg that is
// not in fileSettings sets that property and overrides -D. An unreadable value leaves the
// default, as in Java's Integer.getInteger.
var propertySettings = map[string]setting{
	"maxCnxns":                                 atLeast(0, func(c *Config) *int { return &c.MaxCnxns }),
	"observer.syncEnabled":                     flag(func(c *Config) *bool { return &c.SyncEnabled }),
	"leaderServes":                             not("no", func(c *Config) *bool { return &c.LeaderServes }),
	"multiAddress.enabled":                     flag(func(c *Config) *bool { return &c.MultiAddress }),
	"electionPortBindRetry":                    atLeast(0, func(c *Config) *int { return &c.ElectionPortBindRetry }),
	"cnxTimeout":                               ms(func(c *Config) *time.Duration { return &c.CnxTimeout }),
	"quorumCnxnTimeoutMs":                      ms(func(c *Config) *time.Duration { return &c.QuorumCnxnTimeout }),
	"fastleader.minNotificationInterval":       positiveMS(func(c *Config) *time.Duration { return &c.MinNotificationInterval }),
	"fastleader.maxNotificationInterval":       positiveMS(func(c *Config) *time.Duration { return &c.MaxNotificationInterval }),
	"leader.maxTimeToWaitForEpoch":             ms(func(c *Config) *time.Duration { return &c.MaxTimeToWaitForEpoch }),
	"leaderConnectDelayDuringRetryMs":          ms(func(c *Config) *time.Duration { return &c.LeaderConnectDelay }),
	"observer.reconnectDelayMs":                ms(func(c *Config) *time.Duration { return &c.ObserverReconnectDelay }),
	"observer.election.DelayMs":                ms(func(c *Config) *time.Duration { return &c.ObserverElectionDelay }),
	"forceSnapshotSync":                        flag(func(c *Config) *bool { return &c.ForceSnapshotSync }),
	"commitLogCount":                           number(func(c *Config) *int { return &c.CommitLogCount }),
	"snapshotSizeFactor":                       factor(func(c *Config) *float64 { return &c.SnapshotSizeFactor }),
	"globalOutstandingLimit":                   number(func(c *Config) *int { return &c.GlobalOutstandingLimit }),
	"request_throttle_max_requests":            number(func(c *Config) *int { return &c.ThrottleMaxRequests }),
	"largeRequestMaxBytes":                     number(func(c *Config) *int { return &c.LargeRequestMaxBytes }),
	"largeRequestThreshold":                    number(func(c *Config) *int { return &c.LargeRequestThreshold }),
	"snapCount":                                atLeast(2, func(c *Config) *int { return &c.SnapCount }),
	"snapSizeLimitInKb":                        kilobytes(func(c *Config) *int64 { return &c.SnapSizeLimit }),
	"preAllocSize":                             kilobytes(func(c *Config) *int64 { return &c.PreAllocSize }),
	"txnLogSizeLimitInKb":                      kilobytes(func(c *Config) *int64 { return &c.TxnLogSizeLimit }),
	"forceSync":                                not("no", func(c *Config) *bool { return &c.ForceSync }),
	"flushDelay":                               ms(func(c *Config) *time.Duration { return &c.FlushDelay }),
	"maxBatchSize":                             number(func(c *Config) *int { return &c.MaxBatchSize }),
	"snapshot.trust.empty":                     flag(func(c *Config) *bool { return &c.TrustEmptySnapshot }),
	"datadir.autocreate":                       flag(func(c *Config) *bool { return &c.DataDirAutoCreate }),
	"db.autocreate":                            flag(func(c *Config) *bool { return &c.DBAutoCreate }),
	"digest.enabled":                           flag(func(c *Config) *bool { return &c.DigestEnabled }),
	"closeSessionTxn.enabled":                  flag(func(c *Config) *bool { return &c.CloseSessionTxn }),
	"extendedTypesEnabled":                     flag(func(c *Config) *bool { return &c.ExtendedTypes }),
	"enforceQuota":                             flag(func(c *Config) *bool { return &c.EnforceQuota }),
	"enableEagerACLCheck":                      flag(func(c *Config) *bool { return &c.EagerACLCheck }),
	"enforce.auth.enabled":                     flag(func(c *Config) *bool { return &c.EnforceAuth }),
	"enforce.auth.schemes":                     list(func(c *Config) *[]string { return &c.AuthSchemes }),
	"DigestAuthenticationProvider.enabled":     flag(func(c *Config) *bool { return &c.DigestAuth }),
	"DigestAuthenticationProvider.digestAlg":   text(func(c *Config) *string { return &c.DigestAlg }),
	"DigestAuthenticationProvider.superDigest": superDigest,
	"X509AuthenticationProvider.superUser":     text(func(c *Config) *string { return &c.SuperX509 }),
	"ensembleAuthName":                         list(func(c *Config) *[]string { return &c.EnsembleNames }),
	"client.portUnification":                   flag(func(c *Config) *bool { return &c.PortUnified }),
	"client.certReload":                        flag(func(c *Config) *bool { return &c.CertReload }),
	"clientTcpKeepAlive":                       flag(func(c *Config) *bool { return &c.ClientKeepAlive }),
	"tcpKeepAlive":                             flag(func(c *Config) *bool { return &c.QuorumKeepAlive }),
	"nio.sessionlessCnxnTimeout":               positiveMS(func(c *Config) *time.Duration { return &c.FirstRequestTimeout }),
	"4lw.commands.whitelist":                   whitelist,
	"admin.enableServer":                       not("false", func(c *Config) *bool { return &c.AdminEnabled }),
	"admin.serverAddress":                      host(func(c *Config) *string { return &c.AdminAddress.Host }),
	"admin.serverPort":                         port(func(c *Config) *int { return &c.AdminAddress.Port }),
	"admin.commandURL":                         text(func(c *Config) *string { return &c.AdminCommandURL }),
	"admin.idleTimeout":                        ms(func(c *Config) *time.Duration { return &c.AdminIdleTimeout }),
	"admin.snapshot.enabled":                   flag(func(c *Config) *bool { return &c.AdminSnapshot }),
	"admin.restore.enabled":                    flag(func(c *Config) *bool { return &c.AdminRestore }),
	"admin.rateLimiterIntervalInMS":            ms(func(c *Config) *time.Duration { return &c.AdminRateInterval }),
	"skipACL": func(c *Config, v string) error {
		c.SkipACL = v == "yes"
		switch v {
		case "yes":
			return errors.New("ACLs are not checked: every client may read and change every znode")
		case "no", "false":
			return nil
		}
		return errors.New("expected yes or no; anything but yes counts as no")
	},
	"snapshot.compression.method": func(c *Config, v string) error {
		switch v = strings.ToLower(v); v {
		case "", "gz", "snappy":
			c.SnapshotCompression = v
			return nil
		}
		return fmt.Errorf("expected gz, snappy or nothing")
	},
	"ssl.authProvider": text(func(c *Config) *string { return &c.SSLAuth }),
}

// bareSettings are read from a system property without the prefix. A line in zoo.cfg sets the one
// with the prefix, which Apache ignores except for fsync.warningthresholdms (where it wins).
// Users write the others in zoo.cfg all the same; here they take effect, with a warning, unless
// -D gives another value.
var bareSettings = map[string]setting{
	"jute.maxbuffer":                         atLeast(1, func(c *Config) *int { return &c.MaxBuffer }),
	"readonlymode.enabled":                   flag(func(c *Config) *bool { return &c.ReadOnlyMode }),
	"fsync.warningthresholdms":               ms(func(c *Config) *time.Duration { return &c.FsyncWarning }),
	"znode.container.checkIntervalMs":        positiveMS(func(c *Config) *time.Duration { return &c.ContainerInterval }),
	"znode.container.maxPerMinute":           atLeast(1, func(c *Config) *int { return &c.ContainerRate }),
	"znode.container.maxNeverUsedIntervalMs": ms(func(c *Config) *time.Duration { return &c.ContainerNeverUsed }),
}

func init() {
	tlsSettings("ssl.", func(c *Config) *TLS { return &c.TLS })
	tlsSettings("ssl.quorum.", func(c *Config) *TLS { return &c.QuorumTLS })
}

func tlsSettings(prefix string, t func(*Config) *TLS) {
	store := func(name string, s func(*Config) *Store) {
		propertySettings[prefix+name+".location"] = text(func(c *Config) *string { return &s(c).Location })
		propertySettings[prefix+name+".password"] = text(func(c *Config) *string { return &s(c).Password })
		propertySettings[prefix+name+".passwordPath"] = text(func(c *Config) *string { return &s(c).PasswordPath })
		propertySettings[prefix+name+".type"] = text(func(c *Config) *string { return &s(c).Type })
	}
	store("keyStore", func(c *Config) *Store { return &t(c).KeyStore })
	store("trustStore", func(c *Config) *Store { return &t(c).TrustStore })
	propertySettings[prefix+"protocol"] = text(func(c *Config) *string { return &t(c).Protocol })
	propertySettings[prefix+"enabledProtocols"] = list(func(c *Config) *[]string { return &t(c).EnabledProtocols })
	propertySettings[prefix+"ciphersuites"] = list(func(c *Config) *[]string { return &t(c).CipherSuites })
	propertySettings[prefix+"hostnameVerification"] = flag(func(c *Config) *bool { return &t(c).HostnameVerification })
	propertySettings[prefix+"clientHostnameVerification"] = flag(func(c *Config) *bool { return &t(c).ClientHostnameVerification })
	propertySettings[prefix+"allowReverseDnsLookup"] = flag(func(c *Config) *bool { return &t(c).ReverseDNS })
	propertySettings[prefix+"crl"] = flag(func(c *Config) *bool { return &t(c).CRL })
	propertySettings[prefix+"ocsp"] = flag(func(c *Config) *bool { return &t(c).OCSP })
	propertySettings[prefix+"handshakeDetectionTimeoutMillis"] = positiveMS(func(c *Config) *time.Duration { return &t(c).HandshakeDetectionTimeout })
	propertySettings[prefix+"clientAuth"] = func(c *Config, v string) error {
		switch a := ClientAuth(strings.ToUpper(v)); a {
		case "":
			t(c).ClientAuth = ClientAuthNeed
		case ClientAuthNeed, ClientAuthWant, ClientAuthNone:
			t(c).ClientAuth = a
		default:
			return fmt.Errorf("expected NONE, WANT or NEED")
		}
		return nil
	}
}

// whitelist accepts everything, as FourLetterCommands does.
func whitelist(c *Config, v string) error {
	c.FourLetterWords = []string{"srvr"}
	for _, word := range javaSplitTrimmed(v, ",") {
		c.FourLetterWords = append(c.FourLetterWords, word)
		if word == "*" {
			break
		}
	}
	return nil
}

func text(field func(*Config) *string) setting {
	return func(c *Config, v string) error {
		*field(c) = v
		return nil
	}
}

func host(field func(*Config) *string) setting {
	return func(c *Config, v string) error {
		*field(c) = javaHost(strings.TrimSuffix(strings.TrimPrefix(v, "["), "]"))
		return nil
	}
}

func list(field func(*Config) *[]string) setting {
	return func(c *Config, v string) error {
		*field(c) = javaSplitTrimmed(v, ",")
		return nil
	}
}

// strict is QuorumPeerConfig.parseBoolean: true or false in upper or lower case, nothing else.
func strict(field func(*Config) *bool) setting {
	return func(c *Config, v string) error {
		switch strings.ToLower(v) {
		case "true", "false":
			*field(c) = strings.EqualFold(v, "true")
			return nil
		}
		return fmt.Errorf("Invalid option %s. Choose 'true' or 'false.'", v)
	}
}

// flag is Boolean.parseBoolean: anything but true is false.
func flag(field func(*Config) *bool) setting {
	return func(c *Config, v string) error {
		*field(c) = strings.EqualFold(v, "true")
		if !*field(c) && !strings.EqualFold(v, "false") {
			return fmt.Errorf("expected true or false; anything but true counts as false")
		}
		return nil
	}
}

// not is true unless the value is off.
func not(off string, field func(*Config) *bool) setting {
	return func(c *Config, v string) error {
		*field(c) = v != off
		return nil
	}
}

// superDigest keeps what it is given; nobody can have an identity of another form.
func superDigest(c *Config, v string) error {
	c.SuperDigest = v
	user, hash, _ := strings.Cut(v, ":")
	if sum, err := base64.StdEncoding.DecodeString(hash); v != "" && (user == "" || err != nil || len(sum) < md5.Size) {
		return errors.New("expected user:hash, where hash is the digest of user:password in Base64, so nobody can be super user")
	}
	return nil
}

// exactly is true for this value only.
func exactly(on string, field func(*Config) *bool) setting {
	return func(c *Config, v string) error {
		*field(c) = v == on
		if v != on && !strings.EqualFold(v, "false") {
			return fmt.Errorf("expected %s or false; anything but %[1]s, in these letters, counts as false", on)
		}
		return nil
	}
}

func number[N int | int64](field func(*Config) *N) setting {
	return func(c *Config, v string) error {
		n, err := javaInt(v)
		if err != nil {
			return err
		}
		*field(c) = N(n)
		return nil
	}
}

// atLeast raises a number that is too small, as Apache does for snapCount.
func atLeast(least int, field func(*Config) *int) setting {
	return func(c *Config, v string) error {
		n, err := javaInt(v)
		if err != nil {
			return err
		}
		if n < int64(least) {
			if least != 0 { // 0 means "as if not set" rather than a limit
				*field(c) = least
			}
			return fmt.Errorf("expected at least %d", least)
		}
		*field(c) = int(n)
		return nil
	}
}

func port(field func(*Config) *int) setting {
	return func(c *Config, v string) error {
		n, err := javaInt(v)
		if err == nil && (n < 0 || n > math.MaxUint16) {
			err = fmt.Errorf("port out of range:%d (expected 0 to 65535)", n)
		}
		if err == nil {
			*field(c) = int(n)
		}
		return err
	}
}

func ms(field func(*Config) *time.Duration) setting {
	return func(c *Config, v string) error {
		n, err := javaInt(v)
		if err != nil {
			return err
		}
		*field(c) = time.Duration(n) * time.Millisecond
		return nil
	}
}

func positiveMS(field func(*Config) *time.Duration) setting {
	return func(c *Config, v string) error {
		n, err := javaInt(v)
		if err != nil || n <= 0 {
			return fmt.Errorf("expected a positive number of milliseconds")
		}
		*field(c) = time.Duration(n) * time.Millisecond
		return nil
	}
}

func kilobytes(field func(*Config) *int64) setting {
	return func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n > math.MaxInt64/1024 || n < -1 {
			return fmt.Errorf("expected a number of kilobytes")
		}
		*field(c) = max(0, n) * 1024
		return nil
	}
}

func factor(field func(*Config) *float64) setting {
	return func(c *Config, v string) error {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(f) {
			return fmt.Errorf("expected a number")
		}
		*field(c) = f
		return nil
	}
}

// javaInt parses what Integer.decode parses: decimal, 0x, # or octal, 32 bits. Integer.getInteger
// accepts that too; Integer.parseInt, used for QuorumPeerConfig's keys, accepts only decimal and
// reads 010 as ten.
func javaInt(v string) (int64, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		if hex, ok := strings.CutPrefix(v, "#"); ok {
			v = "0x" + hex
		}
		n, err = strconv.ParseInt(strings.ToLower(v), 0, 32)
	}
	if err != nil || strings.Contains(v, "_") {
		return 0, fmt.Errorf("expected a number from -2147483648 to 2147483647")
	}
	return n, nil
}
