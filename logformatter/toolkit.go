package logformatter

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// toolkitOptions are zkTxnLogToolkit.sh's own, on the verb itself: zkctl txnlog -r -y FILE.
type toolkitOptions struct {
	Dump, Recover, Verbose, Yes, Chop bool
	Zxid                              string
}

// addToolkitFlags makes the verb without a subcommand understand what the toolkit does. The
// flags are hidden: dump, recover and chop are their names here.
func addToolkitFlags(c *cobra.Command, s *ui.Streams) {
	o := &toolkitOptions{}
	fs := c.Flags()
	fs.BoolVarP(&o.Dump, "dump", "d", false, "the same as txnlog dump")
	fs.BoolVarP(&o.Recover, "recover", "r", false, "the same as txnlog recover")
	fs.BoolVarP(&o.Verbose, "verbose", "v", false, "with -r: print every transaction")
	fs.BoolVarP(&o.Yes, "yes", "y", false, "with -r: do not ask")
	fs.BoolVarP(&o.Chop, "chop", "c", false, "the same as txnlog chop ZXID FILE FILE.choppedZXID")
	fs.StringVarP(&o.Zxid, "zxid", "z", "", "with -c: where the copy ends")
	for _, name := range []string{"dump", "recover", "verbose", "yes", "chop", "zxid"} {
		fs.Lookup(name).Hidden = true
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			if c.Flags().NFlag() == 0 {
				return c.Help()
			}
			return usageError(c, "a log is missing")
		case c.Flags().NFlag() == 0 && !exists(args[0]):
			return verb.Unknown(c, args[0], ", and there is no such file")
		case o.Chop:
			if o.Zxid == "" {
				return errors.New("-c needs the zxid where the copy ends: -c -z 0x10000002f FILE")
			}
			return runToolkitChop(c, s, o.Zxid, args[0])
		case o.Recover:
			return runRecover(c.Context(), &recoverOptions{Streams: s, File: args[0], Yes: o.Yes, Verbose: o.Verbose})
		}
		return runDump(c.Context(), &dumpOptions{Streams: s, Args: args, Format: formatToolkit, Tail: -1})
	}
}

// runToolkitChop is the toolkit's -c, which names the copy itself, with the zxid in decimal.
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
