package localserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/zkctl/zkctl/internal/release"
)

// Engine is what runs a member.
type Engine string

// The engines.
const (
	Embedded Engine = "embedded" // a server in this process
	Apache   Engine = "apache"   // a Java process of Apache ZooKeeper
)

// Options describe what Start starts. The zero value is a standalone server that keeps its data
// in a temporary folder.
type Options struct {
	// Size is the number of voting members; 0 means 1, a standalone server.
	Size int

	// Observers is the number of additional members that do not vote. They need a Size of 2 or
	// more.
	Observers int

	// Engine runs the members; "" means Embedded. With Embedded, Apache is how many of the voting
	// members, the last ones, run as Apache ZooKeeper nevertheless.
	Engine Engine
	Apache int

	// ZooKeeperHome is an unpacked release of Apache ZooKeeper, for Apache members. The default
	// is ZOOKEEPER_HOME or Debian's package zookeeper.
	ZooKeeperHome string

	// DataDir holds the data and is kept. Each member of an ensemble has a folder in it, named by
	// its number. Without it, a temporary folder is used, which Close removes.
	DataDir string

	// Ephemeral keeps the data in memory: a member that stops forgets it. Embedded only.
	Ephemeral bool

	// Host is the address to listen on; "" means 127.0.0.1.
	Host string

	// Port is the client port of the first member; the others have the following ones. 0 means
	// free ports.
	Port int

	// TLS opens a second port of each member for clients that use TLS, with a certificate that is
	// made for it: Ensemble.TLSConnectString and Ensemble.TLSConfig. QuorumTLS has the members of an
	// ensemble connect to each other with TLS only (sslQuorum).
	TLS, QuorumTLS bool

	// TLSDir is a folder, readable by its owner only, that keeps the certificates for the next
	// start; Start makes what it lacks. Without it, they are in a temporary folder. TLSPort is the
	// TLS port of the first member; the others have the following ones. 0 means free ports.
	TLSDir  string
	TLSPort int

	// SASLUsers are users with their passwords, as whom clients can authenticate with DIGEST-MD5;
	// ACLs name them as sasl:user. To close the sessions of other clients, set the property
	// sessionRequireClientSASLAuth=true. QuorumSASL has the members of an ensemble authenticate to
	// each other (quorum.auth.serverRequireSasl).
	SASLUsers  map[string]string
	QuorumSASL bool

	// Config is the path of a zoo.cfg to start from. Unless it or Properties say otherwise,
	// tickTime is 2000, all four-letter words are answered, connections are not limited, and
	// znodes may have a TTL. For a standalone server it also sets the ports and the data
	// directory, unless Port and DataDir are set.
	Config string

	// Emulate is the ZooKeeper release that embedded members behave like and report: "3.8",
	// "3.9", or an exact one from 3.8.0 on such as "3.8.4". If it is "" and neither Config nor
	// Properties set zkctl.emulate, it is that of the Apache members, or 3.9 if there are none.
	Emulate string

	// Properties are further lines of zoo.cfg, by ZooKeeper's names; they win over Config, and an
	// unknown one is an error. System are system properties (-Dname=value of a JVM), "jute.maxbuffer" for one.
	Properties map[string]string
	System     map[string]string

	// Log gets the embedded members' logs, in ZooKeeper's pattern, and warnings about the
	// configuration. nil discards them. Each Apache member has its own file: Member.LogFile.
	Log io.Writer
}

// maxMembers limits the size of an ensemble on one machine.
const maxMembers = 99

func (o *Options) check() error {
	if o.Size == 0 {
		o.Size = 1
	}
	if o.Engine == "" {
		o.Engine = Embedded
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	switch {
	case o.Size < 0 || o.Observers < 0 || o.Apache < 0:
		return errors.New("the number of members cannot be negative")
	case o.Size+o.Observers > maxMembers:
		return fmt.Errorf("%d members exceed the limit of %d per machine", o.Size+o.Observers, maxMembers)
	case o.Engine != Embedded && o.Engine != Apache:
		return unknownEngine(o.Engine)
	case o.Apache > o.Size:
		return fmt.Errorf("%d Apache members are more than the %d voting members", o.Apache, o.Size)
	case o.Observers > 0 && o.Size < 2:
		return errors.New("observers need an ensemble with at least 2 voting members")
	case o.Ephemeral && (o.Engine == Apache || o.Apache > 0):
		return errors.New("Apache ZooKeeper keeps its data on disk and cannot be ephemeral")
	case o.TLS && (o.Properties["secureClientPort"] != "" || o.Properties["ssl.keyStore.location"] != ""):
		return errors.New("the option TLS chooses secureClientPort and ssl.keyStore.location itself")
	case o.QuorumTLS && o.Size < 2:
		return errors.New("the option QuorumTLS needs an ensemble with at least 2 voting members")
	case o.QuorumTLS && (o.Properties["sslQuorum"] != "" || o.Properties["ssl.quorum.keyStore.location"] != ""):
		return errors.New("the option QuorumTLS chooses sslQuorum and ssl.quorum.keyStore.location itself")
	case (o.TLSDir != "" || o.TLSPort != 0) && !o.TLS && !o.QuorumTLS:
		return errors.New("TLSDir and TLSPort are only for TLS")
	case o.TLSPort < 0 || o.TLSPort+o.Size+o.Observers-1 > 65535:
		return fmt.Errorf("TLS port %d is out of range", o.TLSPort)
	case o.Ephemeral && o.DataDir != "":
		return fmt.Errorf("an ephemeral server cannot use the data directory %s", o.DataDir)
	case o.Emulate != "" && o.Engine == Apache:
		return fmt.Errorf("Apache members cannot emulate ZooKeeper %s; only embedded members can", o.Emulate)
	case o.Port < 0 || o.Port+o.Size+o.Observers-1 > 65535:
		return fmt.Errorf("port %d is out of range", o.Port)
	case net.ParseIP(o.Host) == nil && o.Host != "localhost":
		return fmt.Errorf("host %q is not an address of this machine", o.Host)
	}
	if err := o.checkSASL(); err != nil {
		return err
	}
	if o.Emulate != "" {
		if _, err := release.Parse(o.Emulate); err != nil {
			return err
		}
	}
	for _, p := range []map[string]string{o.Properties, o.System} {
		for key, value := range p {
			if strings.ContainsAny(key, " \t\r\n=:#!\\") || key == "" || strings.ContainsAny(value, "\r\n") {
				return fmt.Errorf("property %q: its name or value does not fit on a line of zoo.cfg", key)
			}
		}
	}
	return nil
}

func unknownEngine(e Engine) error {
	return fmt.Errorf("unknown engine %q; use %q or %q", e, Embedded, Apache)
}

// engineOf returns the engine of the member with this number, starting from 1.
func (o *Options) engineOf(id int) Engine {
	if o.Engine == Apache || id > o.Size-o.Apache && id <= o.Size {
		return Apache
	}
	return Embedded
}

func mkdirPrivate(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("create the data directory: %w", err)
	}
	return nil
}
