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

// Engine is what a member is made of.
type Engine string

// Engines.
const (
	Embedded Engine = "embedded" // a server within this process
	Apache   Engine = "apache"   // a Java process of Apache ZooKeeper
)

// Options describe what Start starts. The zero value is one server that keeps its data in a
// temporary folder.
type Options struct {
	// Size is the number of members that vote; 1, a standalone server, when 0.
	Size int

	// Observers is the number of further members, which do not vote. They need a Size of 2
	// or more.
	Observers int

	// Engine is what members are made of; Embedded when "". Apache, with Engine Embedded, is
	// how many of the voting members, the last ones, are Apache ZooKeeper all the same.
	Engine Engine
	Apache int

	// ZooKeeperHome is an unpacked release of Apache ZooKeeper, for members of that engine.
	// Without it ZOOKEEPER_HOME is one, or Debian's package zookeeper is used.
	ZooKeeperHome string

	// DataDir holds the data and stays. The members of an ensemble have a folder in it
	// each, by their number. Without it there is a temporary folder, which Close removes.
	DataDir string

	// Ephemeral keeps the data in memory: a member that stops forgets it. Embedded only.
	Ephemeral bool

	// Host is the address to listen on; 127.0.0.1 when "".
	Host string

	// Port is the client port of the first member; the others have those that follow. 0
	// means free ones.
	Port int

	// TLS opens a second port of each member for clients that use TLS, with a certificate that is
	// made for it: Ensemble.TLSConnectString and Ensemble.TLSConfig. Embedded only.
	TLS bool

	// Config is the path of a zoo.cfg to start from; where neither it nor Properties says
	// otherwise, tickTime is 2000, all four-letter words are answered, connections are not
	// limited, znodes may have a time to live. Of a single server it also gives the ports
	// and the data directory, unless Port and DataDir are set.
	Config string

	// Emulate is the release of ZooKeeper that embedded members behave like and say they are:
	// "3.8" or "3.9", or a single one from 3.8.0 on such as "3.8.4". When it is "" and neither
	// Config nor Properties has zkctl.emulate, it is that of the Apache members, or 3.9 when
	// there is none.
	Emulate string

	// Properties are further lines of zoo.cfg, by ZooKeeper's names; they win over Config, and an
	// unknown one is an error. System are system properties (-Dname=value of a JVM), "jute.maxbuffer" for one.
	Properties map[string]string
	System     map[string]string

	// Log gets the embedded members' logs, in ZooKeeper's pattern, and what is odd about the
	// configuration. nil drops them. Apache members have a file each: Member.LogFile.
	Log io.Writer
}

// maxMembers bounds an ensemble on one machine.
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
		return errors.New("a number of members cannot be negative")
	case o.Size+o.Observers > maxMembers:
		return fmt.Errorf("%d members are more than %d, the most that one machine gets", o.Size+o.Observers, maxMembers)
	case o.Engine != Embedded && o.Engine != Apache:
		return unknownEngine(o.Engine)
	case o.Apache > o.Size:
		return fmt.Errorf("%d Apache members are more than there are members that vote (%d)", o.Apache, o.Size)
	case o.Observers > 0 && o.Size < 2:
		return errors.New("observers need an ensemble to watch: at least 2 members that vote")
	case o.Ephemeral && (o.Engine == Apache || o.Apache > 0):
		return errors.New("Apache ZooKeeper keeps its data on disk: it cannot be ephemeral")
	case o.TLS && (o.Engine == Apache || o.Apache > 0):
		return errors.New("only embedded members have TLS ports with a certificate that is made for them")
	case o.TLS && (o.Properties["secureClientPort"] != "" || o.Properties["ssl.keyStore.location"] != ""):
		return errors.New("the option TLS chooses secureClientPort and ssl.keyStore.location itself")
	case o.Ephemeral && o.DataDir != "":
		return fmt.Errorf("an ephemeral server keeps nothing: it has no use for the data directory %s", o.DataDir)
	case o.Emulate != "" && o.Engine == Apache:
		return fmt.Errorf("Apache members are what they are: they cannot emulate ZooKeeper %s", o.Emulate)
	case o.Port < 0 || o.Port+o.Size+o.Observers-1 > 65535:
		return fmt.Errorf("port %d is out of range", o.Port)
	case net.ParseIP(o.Host) == nil && o.Host != "localhost":
		return fmt.Errorf("host %q is not an address of this machine", o.Host)
	}
	if o.Emulate != "" {
		if _, err := release.Parse(o.Emulate); err != nil {
			return err
		}
	}
	for _, p := range []map[string]string{o.Properties, o.System} {
		for key, value := range p {
			if strings.ContainsAny(key, " \t\r\n=:#!\\") || key == "" || strings.ContainsAny(value, "\r\n") {
				return fmt.Errorf("property %q: neither its name nor its value fits on a line of zoo.cfg", key)
			}
		}
	}
	return nil
}

func unknownEngine(e Engine) error {
	return fmt.Errorf("unknown engine %q: it is %q or %q", e, Embedded, Apache)
}

// engineOf is the engine of the member with that number, from 1.
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
