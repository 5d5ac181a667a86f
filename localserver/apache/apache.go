// Package apache lets localserver run members as Apache ZooKeeper's own servers. Import it for that
// effect:
//
//	import _ "github.com/zkctl/zkctl/localserver/apache"
//
// Then Options.Engine, Options.Apache and AddOptions.Engine may ask for localserver.Apache. The
// servers are Java processes that end with this one. They are found where Options.ZooKeeperHome or
// the variable ZOOKEEPER_HOME says, an unpacked release, or in Debian's package zookeeper.
package apache

import (
	"context"

	"github.com/zkctl/zkctl/internal/apache"
	"github.com/zkctl/zkctl/localserver/internal/engine"
	"github.com/zkctl/zkctl/localserver/internal/socks"
)

func init() {
	engine.Find = func(home string) (engine.Installation, error) {
		in, err := apache.FindIn(home)
		if err != nil {
			return nil, err
		}
		return installation{in}, nil
	}
}

type installation struct{ in *apache.Installation }

func (i installation) Version() string { return i.in.Version }

func (i installation) Start(ctx context.Context, opt engine.Options) (engine.Server, error) {
	s, err := i.in.Start(ctx, apache.Options{Dir: opt.Dir, Port: opt.Port, Properties: opt.Properties, JVM: opt.JVM, Died: opt.Died})
	if err != nil {
		return nil, err // not a nil *Server in an interface
	}
	return s, nil
}

func (i installation) Proxy(dial engine.Dial) (engine.Proxy, error) {
	p, err := socks.Start(dial)
	if err != nil {
		return nil, err
	}
	return p, nil
}
