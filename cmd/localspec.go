package cmd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
	"github.com/zkctl/zkctl/localserver"
)

// specFlags are the options that describe a new server.
type specFlags struct {
	spec   local.Spec
	engine string
	set    []string
	define []string
}

func (f *specFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.SortFlags = false
	fs.IntVar(&f.spec.Size, "size", 1, "`number` of voting members; 2 or more form an ensemble")
	fs.IntVar(&f.spec.Observers, "observers", 0, "`number` of additional members that do not vote")
	fs.IntVar(&f.spec.Apache, "apache", 0, "run the last `N` voting members as Apache ZooKeeper processes")
	fs.StringVar(&f.engine, "engine", string(localserver.Embedded), "run the other members with this `engine`: embedded, or apache (needs Java)")
	fs.StringVar(&f.spec.ZooKeeperHome, "zookeeper-home", "", "`folder` of an unpacked Apache ZooKeeper (default ZOOKEEPER_HOME or Debian's package)")
	fs.StringVar(&f.spec.Emulate, "emulate", "", "ZooKeeper `release` for embedded members to emulate: 3.8 or 3.9 (default 3.9, or that of the Apache members)")
	fs.IntVar(&f.spec.Port, "port", 0, "client `port` of the first member, followed by those of the others; 0 picks free ports")
	fs.StringVar(&f.spec.Host, "host", "", "`address` to listen on (default 127.0.0.1)")
	fs.StringVar(&f.spec.DataDir, "data-dir", "", "keep the data in `folder`")
	fs.BoolVar(&f.spec.Ephemeral, "ephemeral", false, "keep the data in memory")
	fs.BoolVar(&f.spec.TLS, "tls", false, "serve clients with TLS too, and use it between members; makes the certificates")
	fs.StringVar(&f.spec.Config, "config", "", "read properties from `file`, a zoo.cfg")
	fs.StringArrayVar(&f.set, "set", nil, "set `key=value` as in zoo.cfg; repeatable")
	fs.StringArrayVarP(&f.define, "define", "D", nil, "set the system property `name=value`, such as jute.maxbuffer=4194304; repeatable")
	_ = c.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{string(localserver.Embedded), string(localserver.Apache)}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("emulate", cobra.FixedCompletions([]string{"3.8", "3.9"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("data-dir")
	_ = c.MarkFlagDirname("zookeeper-home")
}

// settle combines the options. Paths become absolute, for a process that runs elsewhere.
func (f *specFlags) settle() (err error) {
	if f.spec.Size < 1 {
		return fmt.Errorf("invalid --size %d; use a number of voting members, at least 1", f.spec.Size)
	}
	f.spec.Engine = localserver.Engine(f.engine)
	for _, path := range []*string{&f.spec.DataDir, &f.spec.Config, &f.spec.ZooKeeperHome} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
	}
	if f.spec.Properties, err = pairs("--set", f.set); err != nil {
		return err
	}
	f.spec.System, err = pairs("--define", f.define)
	return err
}

func pairs(option string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	m := map[string]string{}
	for _, one := range list {
		key, value, ok := strings.Cut(one, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, fmt.Errorf("%s needs name=value, not %q", option, one)
		}
		m[key] = strings.TrimSpace(value)
	}
	return m, nil
}
