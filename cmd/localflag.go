package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// settle completes the options and starts the server that they ask for, which the returned
// function ends. announce tells a person of it.
func (a *app) settle(ctx context.Context, announce bool) (stop func(), err error) {
	given := a.flags.Changed("server") // on the command line, not by a profile
	if err := a.options.settle(a.flags, a.streams); err != nil {
		return nil, err
	}
	if a.options.Local == 0 {
		name := a.options.Server
		if a.options.Server, err = localHome().Resolve(name); err != nil {
			return nil, err
		}
		a.options.ours = a.options.Server != name
	}
	return a.startOwn(ctx, given, announce)
}

// startOwn starts the server that -local asks for and makes it the one that is connected to.
// The returned function ends it; without -local it does nothing.
func (a *app) startOwn(ctx context.Context, given, announce bool) (stop func(), err error) {
	o := &a.options
	if o.Local == 0 {
		if o.Emulate != "" {
			return nil, errors.New("-emulate is the release that the server of -local behaves like; without -local there is none")
		}
		if o.DataDir != "" {
			return nil, errors.New("-data-dir is the folder of the server that -local starts; without -local there is none")
		}
		return func() {}, nil
	}
	if given {
		return nil, errors.New("-local is a server of its own: -server has no place beside it")
	}
	opt := localserver.Options{Size: int(o.Local), DataDir: o.DataDir, Emulate: o.Emulate, Log: a.ownLog()}
	if o.DataDir == "" {
		// What goes anyway need not wait for the disk.
		opt.Properties = map[string]string{"forceSync": "no"}
	}
	e, err := localserver.Start(ctx, opt)
	if err != nil {
		return nil, err
	}
	o.Server = e.ConnectString()
	o.TLS, o.ClientConfiguration, o.ours = tlsOptions{}, "", true // a profile's are for another ensemble
	if announce {
		text := "it goes when you leave"
		if o.DataDir != "" {
			text = "the data stays"
		}
		fmt.Fprintf(a.streams.Err, "A ZooKeeper of your own on %s, data in %s; %s.\n", e.ConnectString(), e.DataDir(), text)
	}
	return func() {
		if err := e.Close(); err != nil {
			ui.Report(a.streams.Err, err)
		}
	}, nil
}

// ownLog is where the server's log goes: with -verbose to stderr.
func (a *app) ownLog() io.Writer {
	if a.options.Verbose {
		return a.streams.Err
	}
	return nil
}
