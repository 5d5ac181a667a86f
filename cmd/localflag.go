package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/localserver"
)

// settle completes the options and starts the server that they ask for; the returned function
// stops it. With announce it is reported to the user.
func (a *app) settle(ctx context.Context, announce bool) (stop func(), err error) {
	given := a.flags.Changed("server") // on the command line, not by a profile
	if err := a.options.settle(a.flags, a.streams); err != nil {
		return nil, err
	}
	if a.options.Local == 0 {
		if err := a.options.resolve(a.flags); err != nil {
			return nil, err
		}
	}
	return a.startOwn(ctx, given, announce)
}

// resolve replaces the name of a local server by its connect string, and takes the login and the files for
// TLS that it has for its clients, where no option says otherwise.
func (o *options) resolve(flags *pflag.FlagSet) error {
	name := o.Server
	plain := flags.Changed("tls") && !o.TLS.On
	servers, files, err := localHome().Resolve(name, plain)
	if err != nil {
		return err
	}
	o.Server = servers
	if o.ours = servers != name; o.ours {
		o.login = localHome().Login(name)
	}
	if files != nil && o.TLS.TrustStore == "" {
		o.TLS.TrustStore = files.TrustPEM
	}
	if files != nil && o.TLS.KeyStore == "" {
		o.TLS.KeyStore = files.KeyPEM
	}
	return nil
}

// startOwn starts the server that -local asks for and makes it the one to connect to. The
// returned function stops it. Without -local it does nothing.
func (a *app) startOwn(ctx context.Context, given, announce bool) (stop func(), err error) {
	o := &a.options
	if o.Local == 0 {
		if o.Emulate != "" {
			return nil, errors.New("-emulate needs -local")
		}
		if o.DataDir != "" {
			return nil, errors.New("-data-dir needs -local")
		}
		return func() {}, nil
	}
	if given {
		return nil, errors.New("-local and -server exclude each other; give one of them")
	}
	opt := localserver.Options{Size: int(o.Local), DataDir: o.DataDir, Emulate: o.Emulate, Log: a.ownLog()}
	if o.DataDir == "" {
		// Data that will be removed need not be synced to disk.
		opt.Properties = map[string]string{"forceSync": "no"}
	}
	e, err := localserver.Start(ctx, opt)
	if err != nil {
		return nil, err
	}
	o.Server = e.ConnectString()
	o.TLS, o.SASL, o.ClientConfiguration, o.ours = tlsOptions{}, saslOptions{Mode: "off"}, "", true // a profile's settings are for another ensemble
	if announce {
		text := "both are removed when you exit"
		if o.DataDir != "" {
			text = "the data is kept"
		}
		fmt.Fprintf(a.streams.Err, "Started a private ZooKeeper on %s with data in %s; %s.\n", e.ConnectString(), e.DataDir(), text)
	}
	return func() {
		if err := e.Close(); err != nil {
			ui.Report(a.streams.Err, err)
		}
	}, nil
}

// ownLog is where the server's log goes: to stderr with -verbose.
func (a *app) ownLog() io.Writer {
	if a.options.Verbose {
		return a.streams.Err
	}
	return nil
}
