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
	BadVersion                    // written by an unknown version of ZooKeeper
	BadLength                     // a length that the file cannot hold
	BadChecksum                   // the bytes changed after they were written
	BadEnd                        // the end-of-record byte is missing
	CutOff                        // the file ends inside a record
	BadRecord                     // the record does not decode
	BadOrder                      // zxids do not rise
	BadDigest                     // the tree is not the one the server had
	BadStructure                  // a znode without parent, occurring twice, or with an unknown ACL
)

var faultNames = [...]string{
	"not a ZooKeeper file", "bad magic", "bad version", "bad length", "bad checksum",
	"bad end of record", "cut off", "bad record", "bad order", "bad digest", "bad structure",
}

// String describes the kind in a few words.
func (k FaultKind) String() string {
	if k >= 0 && int(k) < len(faultNames) {
		return faultNames[k]
	}
	return fmt.Sprintf("fault %d", int(k))
}

// Fault is damage at a byte of a file. Every error of this package about a file's content wraps
// one; use errors.As.
type Fault struct {
	File   string
	Offset int64 // of the damaged record; -1 for the file as a whole
	Kind   FaultKind
	Zxid   int64 // of the record if it can be read, else the last zxid before it, or 0 if there is none
	Err    error // what was found

	Meaning string // what follows from it; ends the sentence, may be empty
	Remedy  Remedy // what may help
}

// Remedy is what may help with a file. How to do it is for those to say who know their readers:
// package command names the verbs of zkctl.
type Remedy int

// Remedies.
const (
	NoRemedy       Remedy = iota
	ReadAsLog             // the file is a transaction log
	ReadAsSnapshot        // the file is a snapshot
	RecoverLog            // the transactions before the damage can be copied to a new log
)

// Error returns a single sentence: file, byte, zxid, what was found and what it means.
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

// PassedOver says what a faulty snapshot means to a server, and what to do
// (FileSnap.deserialize).
const PassedOver = "a server skips this snapshot and starts from the one before it and the logs since; " +
	"if those are gone, copy another member's data"
