package snapshot

import (
	"context"
	"errors"
	"fmt"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/ztree"
)

type verifyOptions struct {
	streams *ui.Streams
	files   []string
	format  string
}

func newVerifyCommand(s *ui.Streams, run func(context.Context, *verifyOptions) error) *cobra.Command {
	opt := &verifyOptions{streams: s}
	c := &cobra.Command{
		Use:               "verify FILE...",
		ValidArgsFunction: command.Takes(command.File, 0, -1),
		Short:             "check checksum, digest and structure of snapshots",
		Annotations:       command.Exits{0: "all files are sound", 1: "one is not, or cannot be read"}.Note(),
		Long: `Check each snapshot: that it is complete; that its checksums are right; that
every znode has a valid path, a parent and an ACL, and occurs once; that
ephemeral znodes belong to a session in the snapshot and have no children; and
that the znodes have the digest that the server recorded.

A server keeps writing while it takes a snapshot. The digest of such a snapshot
can only be checked with the logs: zkctl txnlog verify DIR.

Memory use grows by about 20 bytes per znode.`,
		Example: `  zkctl snapshot verify version-2/snapshot.*
  zkctl snapshot verify -o json version-2/snapshot.71`,
		Args: argCount(1, -1),
		RunE: func(c *cobra.Command, args []string) error {
			opt.files = args
			return run(c.Context(), opt)
		},
	}
	formatFlag(c, &opt.format, "one object per file")
	return c
}

// unreadable is the kind of fault of a file that cannot be opened.
const unreadable = "unreadable"

// mostFaults limits the number of faults shown per file.
const mostFaults = 20

// report is the verdict on a file, and what -o json prints.
type report struct {
	File      string        `json:"file"`
	OK        bool          `json:"ok"`
	Zxid      string        `json:"zxid,omitempty"` // from the file's name
	Znodes    int           `json:"znodes"`
	Bytes     int64         `json:"bytes"` // of data
	Sessions  int           `json:"sessions"`
	ACLs      int           `json:"acls"`
	Checksum  string        `json:"checksum,omitempty"`
	Digest    string        `json:"digest"` // what is known about it
	Faults    []faultReport `json:"faults"`
	FaultsAll int           `json:"faultsInAll"`
}

type faultReport struct {
	Byte    int64  `json:"byte"`
	Zxid    string `json:"zxid,omitempty"`
	Kind    string `json:"kind"`
	Found   string `json:"found"`
	Meaning string `json:"meaning,omitempty"`
}

func runVerify(_ context.Context, opt *verifyOptions) error {
	format, err := parseFormat(opt.format)
	if err != nil {
		return err
	}
	p := newPrinter(opt.streams.Out)
	bad := false
	for _, file := range opt.files {
		r := verifyFile(file)
		bad = bad || !r.OK
		if format == ui.JSON {
			_ = p.object(r)
		} else {
			r.print(opt.streams, p)
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
	if bad {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

func (r *report) print(s *ui.Streams, p *printer) {
	word := s.Paint("whole", color.FgGreen)
	if !r.OK {
		word = s.Paint("damaged", color.FgRed)
	}
	p.printf("%s: %s\n", r.File, word)
	if r.Znodes > 0 {
		p.printf("  %s, %d bytes of data, sessions: %d, ACLs: %d\n", znodes(r.Znodes), r.Bytes, r.Sessions, r.ACLs)
	}
	if r.Checksum != "" {
		p.printf("  checksum %s\n", r.Checksum)
	}
	if r.Digest != "" {
		p.printf("  digest %s\n", r.Digest)
	}
	for _, f := range r.Faults {
		if f.Kind == unreadable {
			p.printf("  %s", f.Found)
		} else {
			p.printf("  %s at byte %d, zxid %s: %s", f.Kind, f.Byte, f.Zxid, f.Found)
		}
		if f.Meaning != "" {
			p.printf("; %s", f.Meaning)
		}
		p.printf("\n")
	}
	if more := r.FaultsAll - len(r.Faults); more > 0 {
		p.printf("  and %d more faults\n", more)
	}
}

func (r *report) fault(f *storage.Fault) {
	_ = command.Advise(f)
	r.FaultsAll++
	if len(r.Faults) < mostFaults {
		r.Faults = append(r.Faults, faultReport{f.Offset, proto.Hex(f.Zxid), f.Kind.String(), f.Err.Error(), f.Meaning})
	}
}

func verifyFile(file string) *report {
	r := &report{File: file, Faults: []faultReport{}}
	zxid := zxidOfFile(file)
	if zxid >= 0 {
		r.Zxid = proto.Hex(zxid)
	}
	im := &fileImage{path: file, plain: true}
	s := newStructure(im, zxid, r.fault)
	var sum ztree.DigestSum
	err := im.each(func(n *storage.Node) error {
		r.Znodes++
		r.Bytes += int64(len(n.Data))
		s.check(n)
		sum.Add(n.Path, n.Data, &n.Stat)
		return nil
	})
	var fault *storage.Fault
	switch {
	case errors.As(err, &fault):
		r.fault(fault)
	case err != nil:
		r.Faults, r.FaultsAll = append(r.Faults, faultReport{Kind: unreadable, Found: err.Error()}), 1
	}
	if im.head != nil {
		r.Sessions, r.ACLs = len(im.head.Sessions()), len(im.head.ACLs())
	}
	if r.Znodes > 0 {
		s.finish(file)
	}
	if err == nil {
		r.trailer(im.head, zxid, &sum, s.last)
	}
	r.OK = r.FaultsAll == 0
	return r
}

// trailer checks what follows the znodes.
func (r *report) trailer(head *storage.SnapshotReader, zxid int64, sum *ztree.DigestSum, last int64) {
	t := head.Trailer()
	if t.Seals == 0 {
		r.fault(&storage.Fault{Offset: head.Offset(), Kind: storage.CutOff, Zxid: max(zxid, 0),
			Err:     errors.New("the checksum is missing"),
			Meaning: "the server stopped while writing the snapshot and will not load it; it needs an older one and the logs after that"})
		return
	}
	r.Checksum = fmt.Sprintf("0x%08x", uint64(t.Checksum))
	if t.Extra > 0 {
		r.fault(&storage.Fault{Offset: head.Offset() - t.Extra, Kind: storage.BadRecord, Zxid: max(zxid, 0),
			Err:     fmt.Errorf("%d bytes follow the last checksum", t.Extra),
			Meaning: "no server wrote them; everything before them is sound"})
	}
	switch d := t.Digest; {
	case d == nil:
		r.Digest = "none: the server was older than 3.6 or had digests turned off"
	case t.DigestZxid <= 0:
		r.Digest = "none: the server had not yet computed one"
	case d.Version != proto.DigestVersion:
		r.Digest = fmt.Sprintf("0x%x of version %d, which cannot be checked", uint64(d.TreeDigest), d.Version)
	case sum.Is(d.TreeDigest):
		r.Digest = fmt.Sprintf("0x%x agrees, at zxid %s", uint64(d.TreeDigest), proto.Hex(t.DigestZxid))
	case t.DigestZxid != zxid || last > zxid:
		r.Digest = fmt.Sprintf("0x%x is for zxid %s: writes continued during the snapshot; try: zkctl txnlog verify DIR",
			uint64(d.TreeDigest), proto.Hex(t.DigestZxid))
	default:
		r.Digest = fmt.Sprintf("0x%x differs", uint64(d.TreeDigest))
		r.fault(&storage.Fault{Offset: head.Offset(), Kind: storage.BadDigest, Zxid: t.DigestZxid,
			Err:     fmt.Errorf("the znodes have digest 0x%x, but the server recorded 0x%x", uint64(sum.Digest()), uint64(d.TreeDigest)),
			Meaning: "the tree is not the one the server had, unless the server was deleting a znode or setting an ACL at that moment; to find out, check the logs (zkctl txnlog verify DIR) or compare with another member's snapshot (zkctl snapshot diff)"})
	}
}
