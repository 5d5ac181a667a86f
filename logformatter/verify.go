package logformatter

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
)

type verifyOptions struct {
	Streams *ui.Streams
	Args    []string
	Output  ui.Format
}

func newVerifyCommand(s *ui.Streams) *cobra.Command { return verifyCommand(s, runVerify) }

func verifyCommand(s *ui.Streams, run func(context.Context, *verifyOptions) error) *cobra.Command {
	o := &verifyOptions{Streams: s}
	var output string
	c := &cobra.Command{
		Use:               "verify FILE|DIR...",
		ValidArgsFunction: command.Takes(command.File, 0, -1),
		Short:             "check logs and data directories, and explain each fault",
		Annotations:       command.Exits{0: "everything is sound", 1: "something is not, or cannot be read"}.Note(),
		Long: `Check transaction logs: checksums, record ends, zxids that rise without a gap,
and whatever follows the last transaction.

For a data directory, also check the snapshots, look for gaps between the
files, and replay snapshots and logs: after each transaction the tree's digest
must equal the one in the log (ZooKeeper 3.6 and later).

A log does not record where it should end. If it was cut exactly between two
transactions, or if its last transactions were overwritten with zeros, verify
reports OK: what is there is sound, but it may not be all. In a directory, the
next log or snapshot shows what is missing before it; what is missing after
the newest file can only be found on another member of the ensemble.`,
		Example: `  zkctl txnlog verify version-2/log.100000001
  zkctl txnlog verify /var/lib/zookeeper
  zkctl txnlog verify -o json version-2 | jq .faults`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args) == 0 {
				return usageError(c, "missing log file or directory")
			}
			if o.Output, err = ui.ParseFormat(output); err != nil {
				return err
			}
			o.Args = args
			return run(c.Context(), o)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", string(ui.Text), "output `format`: text or json (one object per line and file)")
	completeValues(c, "output", string(ui.Text), string(ui.JSON))
	return c
}

// verdict is the result for a file, or for the replay of a directory.
type verdict struct {
	Kind         string         `json:"kind"` // log, snapshot or replay
	File         string         `json:"file"`
	OK           bool           `json:"ok"`
	Transactions int64          `json:"transactions"`
	First        string         `json:"firstZxid,omitempty"`
	Last         string         `json:"lastZxid,omitempty"`
	Epochs       []int64        `json:"epochs,omitempty"`
	Znodes       int            `json:"znodes,omitempty"`
	Compared     int            `json:"digestsCompared,omitempty"`
	Failed       int            `json:"digestsFailed,omitempty"`
	Notes        []string       `json:"notes,omitempty"`
	Faults       []verifyFault  `json:"faults,omitempty"`
	More         int            `json:"furtherFaults,omitempty"`
	scan         logScan        // for a log
	cause        *storage.Fault // for a log: where reading ended
}

// verifyFault is one fault. Byte is -1 if it is not at a place in the file.
type verifyFault struct {
	Byte    int64  `json:"byte"`
	Zxid    string `json:"zxid,omitempty"`
	Kind    string `json:"kind"`
	Found   string `json:"found"`
	Meaning string `json:"meaning,omitempty"`
}

// maxFaults limits how many faults are shown per file; the rest are counted.
const maxFaults = 20

func (v *verdict) add(f *storage.Fault) {
	_ = command.Advise(f)
	v.OK = false
	if len(v.Faults) == maxFaults {
		v.More++
		return
	}
	one := verifyFault{Byte: f.Offset, Kind: f.Kind.String(), Found: f.Err.Error(), Meaning: f.Meaning}
	if f.Zxid != 0 {
		one.Zxid = proto.Hex(f.Zxid)
	}
	v.Faults = append(v.Faults, one)
}

// addError adds every fault in err. If there is none, it returns err.
func (v *verdict) addError(err error) error {
	list := storage.Faults(err)
	if len(list) == 0 {
		return err
	}
	for _, f := range list {
		v.add(f)
	}
	return nil
}

// verifier prints verdicts as they come in.
type verifier struct {
	opt *verifyOptions
	bad int
	n   int
}

func runVerify(ctx context.Context, o *verifyOptions) error {
	v := &verifier{opt: o}
	for _, arg := range o.Args {
		if err := v.argument(ctx, arg); err != nil {
			return err
		}
	}
	if v.bad > 0 {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

func (v *verifier) argument(ctx context.Context, arg string) error {
	if isDir(arg) {
		return v.directory(ctx, arg)
	}
	info, err := os.Stat(arg)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	file := storage.File{Path: arg, Size: info.Size()}
	_, file.Zxid, _ = storage.ZxidOfName(arg)
	if isSnapshot(arg) {
		d, err := v.snapshot(ctx, file, nil)
		if err != nil {
			return err
		}
		return v.print(d)
	}
	d, err := scanLog(ctx, file, nil)
	if err != nil {
		return err
	}
	return v.print(d)
}

// isSnapshot reports whether a file is a snapshot, by its name or, failing that, by its first
// bytes.
func isSnapshot(path string) bool {
	if kind, _, ok := storage.ZxidOfName(path); ok {
		return kind == kindSnapshot
	}
	if storage.CompressionOfName(path) != "" {
		return true
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "ZKSN"
}

func (v *verifier) print(d *verdict) error {
	v.n++
	if !d.OK {
		v.bad++
	}
	out := v.opt.Streams.Out
	if v.opt.Output == ui.JSON {
		return ui.PrintJSON(out, d)
	}
	_, err := io.WriteString(out, d.text(v.opt.Streams))
	return err
}

// text formats the verdict for a person: a line, and one below it for each fault and note.
func (d *verdict) text(s *ui.Streams) string {
	var b strings.Builder
	word := s.Paint("OK", color.FgGreen)
	if !d.OK {
		word = s.Paint("DAMAGED", color.FgRed, color.Bold)
		if d.Kind == kindReplay {
			word = s.Paint("FAILED", color.FgRed, color.Bold)
		}
	}
	fmt.Fprintf(&b, "%s: %s", filepath.Base(d.File), word)
	for _, fact := range d.facts() {
		b.WriteString(", " + fact)
	}
	b.WriteByte('\n')
	for _, f := range d.Faults {
		b.WriteString("  ")
		if f.Byte >= 0 {
			fmt.Fprintf(&b, "byte %d, ", f.Byte)
		}
		if f.Zxid != "" {
			fmt.Fprintf(&b, "zxid %s, ", f.Zxid)
		}
		fmt.Fprintf(&b, "%s: %s", f.Kind, f.Found)
		if f.Meaning != "" {
			b.WriteString("; " + f.Meaning)
		}
		b.WriteByte('\n')
	}
	if d.More > 0 {
		fmt.Fprintf(&b, "  and %s more\n", counted(int64(d.More), "fault"))
	}
	for _, note := range d.Notes {
		fmt.Fprintf(&b, "  note: %s\n", note)
	}
	return b.String()
}

func (d *verdict) facts() (facts []string) {
	if d.Kind != kindSnapshot {
		facts = append(facts, counted(d.Transactions, "transaction"))
	}
	if d.Kind == kindSnapshot || d.Kind == kindReplay && d.Znodes > 0 {
		facts = append(facts, counted(int64(d.Znodes), "znode"))
	}
	switch {
	case d.First != "":
		facts = append(facts, "zxid "+d.First+".."+d.Last)
	case d.Last != "":
		facts = append(facts, "zxid "+d.Last)
	}
	switch {
	case len(d.Epochs) == 1:
		facts = append(facts, fmt.Sprintf("epoch %d", d.Epochs[0]))
	case len(d.Epochs) > 1:
		facts = append(facts, "epochs "+strings.Trim(strings.ReplaceAll(fmt.Sprint(d.Epochs), " ", ", "), "[]"))
	}
	if d.Compared > 0 {
		facts = append(facts, fmt.Sprintf("%d of %s agree", d.Compared-d.Failed, counted(int64(d.Compared), "digest")))
	}
	return facts
}

// counted is "1 znode", "2 znodes".
func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// The kinds of verdicts.
const (
	kindLog      = "log"
	kindSnapshot = "snapshot"
	kindReplay   = "replay"
)

// snapshot checks one snapshot: its file, its tree and, using the logs of its directory, that it
// replays to the digest that it recorded.
func (v *verifier) snapshot(ctx context.Context, file storage.File, logs []storage.File) (*verdict, error) {
	d := &verdict{Kind: kindSnapshot, File: file.Path, OK: true}
	one := storage.Dir{Path: filepath.Dir(file.Path), Snapshots: []storage.File{file}, Logs: logs}
	tree, trailer, err := one.ReadTree(file)
	if err != nil {
		if err := d.addError(err); err != nil {
			return nil, err
		}
	}
	if tree == nil {
		return d, nil
	}
	d.Znodes, d.Last = tree.Len(), proto.Hex(tree.LastZxid())
	if trailer.Seals == 0 {
		d.Notes = append(d.Notes, "no checksum: the server died while writing it, or was older than ZooKeeper 3.0; ZooKeeper 3.5 and later do not load it")
	}
	if trailer.Digest == nil || trailer.DigestZxid <= tree.LastZxid() {
		return d, nil
	}
	until := proto.Hex(trailer.DigestZxid)
	d.Last += ".." + until
	if !d.OK || logs == nil {
		return d, nil
	}
	var check storage.DigestCheck
	_, _, err = one.Load(ctx, storage.LoadOptions{Zxid: trailer.DigestZxid, Digests: &check})
	if next, ok := one.Next(trailer.DigestZxid); ok && len(check.Faults) > 0 { // the logs may explain the faults
		var more storage.DigestCheck
		if _, _, e := one.Load(ctx, storage.LoadOptions{Zxid: next, Digests: &more}); e == nil && len(more.Faults) == 0 {
			check, err = more, nil
		}
	}
	for _, f := range check.Faults {
		d.add(f)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		d.Notes = append(d.Notes, "written while the server went on to "+until+"; it cannot be checked against the logs: "+err.Error())
	case len(check.Faults) == 0:
		d.Notes = append(d.Notes, "written while the server went on; with the logs up to "+until+" it is complete")
	}
	return d, nil
}
