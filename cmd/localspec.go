package cmd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/local"
	"github.com/zkctl/zkctl/localserver"
)

// specFlags are the options that say what a server is to be.
type specFlags struct {
	spec   local.Spec
	engine string
	set    []string
	define []string
}

func (f *specFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.SortFlags = false
	fs.IntVar(&f.spec.Size, "size", 1, "`number` of members that vote; from 2 on they are an ensemble")
	fs.IntVar(&f.spec.Observers, "observers", 0, "`number` of further members, which do not vote")
	fs.IntVar(&f.spec.Apache, "apache", 0, "`number` of the members that are Apache ZooKeeper processes")
	fs.StringVar(&f.engine, "engine", string(localserver.Embedded), "`engine` of the others: embedded, or apache, which needs Java")
	fs.StringVar(&f.spec.ZooKeeperHome, "zookeeper-home", "", "`folder` of an unpacked Apache ZooKeeper; else ZOOKEEPER_HOME or Debian's package")
	fs.StringVar(&f.spec.Emulate, "emulate", "", "`release` of ZooKeeper that embedded members behave like: 3.8 or 3.9 (default 3.9, or that of the Apache members)")
	fs.IntVar(&f.spec.Port, "port", 0, "client `port` of the first member; the others follow; 0 is free ones")
	fs.StringVar(&f.spec.Host, "host", "", "`address` to listen on (default 127.0.0.1)")
	fs.StringVar(&f.spec.DataDir, "data-dir", "", "keep the data in `folder`")
	fs.BoolVar(&f.spec.Ephemeral, "ephemeral", false, "keep the data in memory")
	fs.StringVar(&f.spec.Config, "config", "", "take properties from the `file`, a zoo.cfg")
	fs.StringArrayVar(&f.set, "set", nil, "set `key=value` as a line of zoo.cfg does; may be repeated")
	fs.StringArrayVarP(&f.define, "define", "D", nil, "set the system property `name=value`, such as jute.maxbuffer; may be repeated")
	_ = c.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{string(localserver.Embedded), string(localserver.Apache)}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("emulate", cobra.FixedCompletions([]string{"3.8", "3.9"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("data-dir")
	_ = c.MarkFlagDirname("zookeeper-home")
}

// settle brings the options together. Paths become absolute, for a process that is elsewhere.
func (f *specFlags) settle() (err error) {
	if f.spec.Size < 1 {
		return fmt.Errorf("--size is the number of members that vote, from 1 on, not %d", f.spec.Size)
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
			return nil, fmt.Errorf("%s takes name=value, not %q", option, one)
		}
		m[key] = strings.TrimSpace(value)
	}
	return m, nil
}
