package localserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/release"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/replica"
)

// The errors of Serve before it runs, for errors.Is.
var (
	ErrConfig  = errors.New("invalid config")
	ErrDataDir = errors.New("unable to access datadir")
)

// ServeOptions say what Serve runs.
type ServeOptions struct {
	Config string            // the path of zoo.cfg
	System map[string]string // system properties, as -Dname=value sets them
	Log    io.Writer

	// Listening, if not nil, is called once the ports are open and the data is loaded; addr is
	// where clients connect, or "" if they need TLS.
	Listening func(addr string)
}

// Serve runs a server from its configuration, as ZooKeeper's own main class does
// (QuorumPeerMain): standalone or, with server.N lines and myid, as a member of an ensemble whose
// other members are elsewhere. It returns nil once ctx has ended and everything is on disk, and
// an error if the server cannot start or continue.
func Serve(ctx context.Context, opt ServeOptions) error {
	cfg, warnings, err := zoocfg.Load(opt.Config, zoocfg.Properties(opt.System))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	myid := ""
	if cfg.Distributed() {
		myid = strconv.FormatInt(cfg.ServerID, 10)
	}
	log := zklog.New(opt.Log, myid, zklog.Info)
	log.Infof("Reading configuration from: %s", opt.Config)
	for _, w := range warnings {
		log.Warnf("%s", w)
	}
	log.Infof("autopurge.snapRetainCount set to %d", cfg.SnapRetainCount)
	log.Infof("autopurge.purgeInterval set to %d", int(cfg.PurgeInterval.Hours()))
	if !cfg.Distributed() {
		log.Warnf("Either no config or no quorum defined in config, running in standalone mode")
	}
	if cfg.Distributed() && cfg.Client.Port == 0 && cfg.SecureClient.Port == 0 {
		log.Warnf("clientPort is not set: this member votes and keeps the data, and serves no clients")
	}
	for _, p := range []struct {
		key  string
		addr zoocfg.HostPort
	}{{"clientPort", cfg.Client}, {"secureClientPort", cfg.SecureClient}} {
		if p.addr.Port != 0 && p.addr.Host == "" {
			log.Warnf("%s=%d comes without an address, so clients are served on 127.0.0.1 alone; %sAddress=0.0.0.0 serves everybody", p.key, p.addr.Port, p.key)
		}
	}
	failed := make(chan error, 1)
	emulate := cfg.Emulate
	if cfg.Distributed() && emulate == (release.Release{}) {
		emulate = ensembleRelease(cfg, log)
	}
	s, err := startServer(cfg, serverOptions{log: log, system: opt.System, release: emulate, failed: func(err error) {
		select {
		case failed <- err:
		default:
		}
	}})
	if err != nil {
		log.Errorf("Unexpected exception, exiting abnormally: %v", err)
		return err
	}
	defer s.Close()
	if opt.Listening != nil {
		addr := ""
		if cfg.Client.Port != 0 {
			addr = loopbackUnlessSet(cfg.Client).String()
		}
		opt.Listening(addr)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// RunningOn returns the process of an embedded server that uses a data directory (zoo.cfg's
// dataDir), or 0.
func RunningOn(dataDir string) (pid int) { return filelock.Holder(filepath.Join(dataDir, lockFile)) }

// CheckConfig reads a configuration as Serve does. It returns the error with which Serve would
// refuse it, and its dataDir if known.
func CheckConfig(config string, system map[string]string) (dataDir string, err error) {
	cfg, _, err := zoocfg.Load(config, zoocfg.Properties(system))
	if err == nil {
		dataDir, err = cfg.DataDir, cfg.CheckServable()
	}
	if err != nil {
		return dataDir, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return dataDir, nil
}

// hidden stands for a password.
const hidden = "********"

// initialConfig returns the text of zoo.cfg for the AdminServer.
//
// Differs(passwords-hidden): Apache's shows the passwords in it, and among the system properties.
func initialConfig(cfg *zoocfg.Config) string {
	if cfg.File == "" {
		return ""
	}
	text, err := infile.Regular(cfg.File)
	if err != nil {
		return ""
	}
	password := regexp.MustCompile(`(?im)^([^\S\n]*[^#!\s=:]*password[^\S\n]*[=:\s]).*$`)
	return password.ReplaceAllString(string(text), "${1}"+hidden)
}

// systemProperties returns the system properties that the AdminServer shows.
func systemProperties(system map[string]string, cfg *zoocfg.Config) map[string]string {
	p := maps.Clone(system)
	if p == nil {
		p = map[string]string{}
	}
	for key := range p {
		if strings.HasSuffix(strings.ToLower(key), "password") {
			p[key] = hidden
		}
	}
	if cfg.File != "" {
		if dir, err := filepath.Abs(filepath.Dir(cfg.File)); err == nil {
			p["zookeeper.config.dir"] = dir
		}
	}
	return p
}

// Version returns what an embedded member reports unless Emulate asks for another release, in
// ZooKeeper's format: "3.9.5-v1.2.3, built on 2026-01-02 03:04 UTC".
func Version() string { return replica.Version(release.Newest) }
