// Package engine is what localserver asks of Apache ZooKeeper's own servers. localserver/apache
// provides it, so that only those who run such servers link what that takes.
package engine

import (
	"context"
	"net"
)

// Find locates an installation of Apache ZooKeeper: the unpacked release in the folder home, or
// if that is "", whatever the environment or the system has. It is nil unless localserver/apache
// is linked.
var Find func(home string) (Installation, error)

// Installation is one release of Apache ZooKeeper and the Java that runs it.
type Installation interface {
	// Version is the release, such as "3.8.0"; "" if it is not known.
	Version() string

	// Start starts a server and returns when it serves clients. The error is, for errors.Is,
	// port.ErrTaken if one of its ports is taken.
	Start(ctx context.Context, opt Options) (Server, error)

	// Proxy starts the way by which a server connects to others.
	Proxy(dial Dial) (Proxy, error)
}

// Options describe a server.
type Options struct {
	Dir        string            // dataDir
	Port       int               // clientPort
	Properties map[string]string // further lines of zoo.cfg
	JVM        []string          // options of the JVM
	Died       func(error)       // called when a run of the server ends that was not told to
}

// Server is a server that was started. Its methods are called one at a time.
type Server interface {
	Restart(ctx context.Context) error // on the same data and port, unless it has Moved
	Shutdown() error                   // gracefully; it can be restarted
	Stop() error                       // for good; what Start made is removed
	Kill() error
	Pause() error
	Resume() error
	Moved(port int) // a reconfiguration has given it another client port
	Pid() int       // 0 when it does not run
	LogFile() string
}

// Dial connects to an address of another member.
type Dial func(ctx context.Context, addr string) (net.Conn, error)

// Proxy leads a server's connections through a Dial.
type Proxy interface {
	JVM() []string // the options by which a JVM uses it
	Close()
}
