package storage

import (
	"fmt"
	"strings"
)

// FaultKind is what is wrong with a file.
type FaultKind int

// Kinds of faults.
const (
	NotAFile     FaultKind = iota // empty, all zeros, or its header is cut off
	BadMagic                      // another kind of file
	BadVersion                    // written by a ZooKeeper we do not know
	BadLength                     // a length that the file cannot hold
	BadChecksum                   // the bytes changed after they were written
	BadEnd                        // the end-of-record byte is missing
	CutOff                        // the file ends inside a record
	BadRecord                     // the record does not decode
	BadOrder                      // zxids do not rise
	BadDigest                     // the tree is not the one that the server had
	BadStructure                  // a znode without parent, twice, or with an unknown ACL
)

var faultNames = [...]string{
	"not a file of ZooKeeper", "bad magic", "bad version", "bad length", "bad checksum",
	"bad end of record", "cut off", "bad record", "bad order", "bad digest", "bad structure",
}

// String is the kind in a few words.
func (k FaultKind) String() string {
	if k >= 0 && int(k) < len(faultNames) {
		return faultNames[k]
	}
	return fmt.Sprintf("fault %d", int(k))
}

// Fault is damage at a byte of a file. Errors.As finds it in every error of this package
// that is about a file's content.
type Fault struct {
	File   string
	Offset int64 // of the record that is damaged; -1 for the file as a whole
	Kind   FaultKind
	Zxid   int64 // of the record where it can be read, else the last zxid before it, 0 when none
	Err    error // what was found

	// Meaning is what follows from it and what to do, the end of the sentence; it may be empty.
	Meaning string
}

// Error is one sentence: file, byte, zxid, what was found and what it means.
func (f *Fault) Error() string {
	var b strings.Builder
	b.WriteString("read " + f.File)
	if f.Offset >= 0 {
		fmt.Fprintf(&b, " at byte %d", f.Offset)
	}
	fmt.Fprintf(&b, ": %v", f.Err)
	switch {
	case f.Meaning != "":
		b.WriteString("; " + f.Meaning)
	case f.Zxid != 0:
		fmt.Fprintf(&b, " (zxid %#x)", uint64(f.Zxid))
	}
	return b.String()
}

// Unwrap returns what was found.
func (f *Fault) Unwrap() error { return f.Err }

// PassedOver is what a faulty snapshot means for a server, and what to do (FileSnap.deserialize).
const PassedOver = "a server does not start from this snapshot, but from the one before it and the logs since; " +
	"where those are gone, take another member's"
