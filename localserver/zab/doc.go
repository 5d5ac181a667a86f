// Package zab keeps the members of an ensemble the same: election, discovery, synchronisation
// and broadcast, on the wire as ZooKeeper 3.5 to 3.8 speak them.
//
// What is replicated is behind [Replica], which package member implements. This package
// knows no client and no znode; it orders opaque transactions and brings them to disk.
//
//	zab.go        what a replica and this package owe each other
//	journal.go    the transaction log of a member: appended and synced on a goroutine of its own
//	broadcast.go  the leader's proposals, their acknowledgements and commits
//	network.go    how members reach each other: TCP, or memory in tests
//
// A standalone server is a [Broadcast] whose quorum is its own journal.
package zab
