package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/heapfloor"
	"github.com/zkctl/zkctl/local"
	"github.com/zkctl/zkctl/localserver"
)

func (l *localVerb) runCommand() *cobra.Command {
	f := &specFlags{}
	quiet := false
	c := &cobra.Command{
		Use:   "run",
		Short: "run a server or an ensemble in the foreground",
		Long: `Run a server or an ensemble in the foreground until Ctrl-C. The connect string is
printed to stdout, the log to stderr. Without --data-dir the data is removed at
the end.`,
		Example: `  zkctl local run --port 2181
  zkctl local run --size 3 --quiet`,
		Args: command.ArgCount(0, 0),
	}
	f.add(c)
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not print the log")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.settle(); err != nil {
			return err
		}
		opt := f.spec.Options()
		if !quiet {
			opt.Log = l.env.Streams.Err
		}
		ctx, cancel := context.WithTimeout(c.Context(), local.StartTimeout)
		defer cancel()
		heapfloor.Hold()
		e, err := localserver.Start(ctx, opt)
		if err != nil {
			return err
		}
		servers := e.ConnectString()
		if f.spec.TLS {
			servers = e.TLSConnectString()
			files := e.TLSFiles()
			l.noteTLS(fmt.Sprintf("zkctl -server %s -tls-truststore %s -tls-keystore %s", servers, files.TrustPEM, files.KeyPEM), &files)
		}
		if _, err := fmt.Fprintln(l.env.Streams.Out, servers); err != nil {
			return errors.Join(err, e.Close())
		}
		<-c.Context().Done()
		return e.Close()
	}
	return c
}
