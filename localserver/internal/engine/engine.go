// Package engine is the interface between localserver and Apache ZooKeeper's own servers.
// localserver/apache implements it, so that only programs that run such servers link the
// implementation.
package engine

import (
	"context"
	"net"
)

// Find locates an installation of Apache ZooKeeper: the unpacked release in the folder home, or if
// that is "", the one that the environment or the system provides. It is nil unless
// localserver/apache is linked.
var Find func(home string) (Installation, error)

// Installation is one release of Apache ZooKeeper and the Java that runs it.
type Installation interface {
	// Version is the release, such as "3.8.0"; "" if it is not known.
	Version() string

	// Start starts a server and returns once it serves clients. The error wraps port.ErrTaken if
	// one of its ports is taken.
	Start(ctx context.Context, opt Options) (Server, error)

	// Proxy starts the proxy through which a server connects to others.
	Proxy(dial Dial) (Proxy, error)
}

// Options describe a server.
type Options struct {
	Dir        string            // dataDir
	Port       int               // clientPort
	Properties map[string]string // further lines of zoo.cfg
	JVM        []string          // options of the JVM
	Died       func(error)       // called when a run of the server ends by itself
}

// Server is a started server. Its methods are not called concurrently.
type Server interface {
	Restart(ctx context.Context) error // with the same data and port, unless it has Moved
	Shutdown() error                   // gracefully; it can be restarted
	Stop() error                       // for good; removes what Start created
	Kill() error
	Pause() error
	Resume() error
	Moved(port int) // a reconfiguration has changed its client port
	Pid() int       // 0 if it is not running
	LogFile() string
}

// Dial connects to an address of another member.
type Dial func(ctx context.Context, addr string) (net.Conn, error)

// Proxy routes a server's connections through a Dial.
type Proxy interface {
	JVM() []string // the JVM options to use it
	Close()
}
