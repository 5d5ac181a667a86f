package logformatter

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// toolkitOptions are zkTxnLogToolkit.sh's own options, on the verb itself: zkctl txnlog -r -y
// FILE.
type toolkitOptions struct {
	Dump, Recover, Verbose, Yes, Chop bool
	Zxid                              string
}

// addToolkitFlags makes the verb without a subcommand accept the toolkit's options. They are
// hidden, because here they are called dump, recover and chop.
func addToolkitFlags(c *cobra.Command, s *ui.Streams) {
	o := &toolkitOptions{}
	fs := c.Flags()
	fs.BoolVarP(&o.Dump, "dump", "d", false, "same as txnlog dump")
	fs.BoolVarP(&o.Recover, "recover", "r", false, "same as txnlog recover")
	fs.BoolVarP(&o.Verbose, "verbose", "v", false, "with -r: print every transaction")
	fs.BoolVarP(&o.Yes, "yes", "y", false, "with -r: correct every wrong checksum without asking")
	fs.BoolVarP(&o.Chop, "chop", "c", false, "same as txnlog chop ZXID FILE FILE.choppedZXID")
	fs.StringVarP(&o.Zxid, "zxid", "z", "", "with -c: the last zxid to copy")
	for _, name := range []string{"dump", "recover", "verbose", "yes", "chop", "zxid"} {
		fs.Lookup(name).Hidden = true
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			if c.Flags().NFlag() == 0 {
				return c.Help()
			}
			return usageError(c, "missing log file")
		case c.Flags().NFlag() == 0 && !exists(args[0]):
			return command.NoSubcommand(c, args[0], ", and no such file exists")
		case o.Chop:
			if o.Zxid == "" {
				return errors.New("-c needs the last zxid to copy: -c -z 0x10000002f FILE")
			}
			return runToolkitChop(c, s, o.Zxid, args[0])
		case o.Recover:
			return runRecover(c.Context(), &recoverOptions{Streams: s, File: args[0], Yes: o.Yes, Verbose: o.Verbose})
		}
		return runDump(c.Context(), &dumpOptions{Streams: s, Args: args, Format: formatToolkit, Tail: -1})
	}
}

// runToolkitChop is the toolkit's -c, which derives the copy's name from the zxid in decimal.
func runToolkitChop(c *cobra.Command, s *ui.Streams, text, file string) error {
	zxid, err := parseZxid(text)
	if err != nil {
		return err
	}
	dst := file + ".chopped" + string(appendInt(nil, zxid))
	return runChop(c.Context(), &chopOptions{Streams: s, Zxid: text, Src: file, Dst: dst})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
