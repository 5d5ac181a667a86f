// Package storage reads and writes the directory version-2: transaction logs and snapshots as in
// ZooKeeper 3.4 to 3.9 (FileTxnLog, FileSnap, SnapStream). It finds the files that make up the
// state at a zxid, and loads that state.
//
//	file.go        names, zxids in names, listing a directory
//	epoch.go       the files of epochs
//	fault.go       what can be wrong with a file
//	logread.go     a log, entry by entry; logbatch.go keeps entries, logsound.go skips faults
//	logfollow.go   a log while it is written, across rollovers
//	logwrite.go    appending, preallocation, rollover, fsync; sync*.go is the fsync
//	lograw.go      a log from raw entries, for copies and repairs
//	logcopy.go     a log up to a zxid
//	truncate.go    a directory back to a zxid
//	snapread.go    a snapshot, znode by znode; readtree.go makes a tree of it
//	snapend.go     the checksums, digest and zxid after the znodes
//	snapwrite.go   a snapshot from a tree; snapstream.go from one that changes meanwhile,
//	               snapstep.go from znodes one by one
//	compress.go    gzip, and snappy as snappy-java frames it
//	adler*.go      the checksum of both
//	window.go      the part of a stream that is needed in one piece
//	purge.go       what can be deleted
//	state.go       a tree from snapshot and logs; replay.go checks their order,
//	               statestream.go passes on their parts instead
//	statetime.go   the zxid of a moment
//	rootdigest.go  digests that a server logs wrong
//	serve.go       what a server does with its directory
package storage
