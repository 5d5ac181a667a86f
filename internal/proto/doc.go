// Package proto holds every record of ZooKeeper's client protocol, transaction log,
// snapshot and quorum protocol, as ZooKeeper 3.4 to 3.9 write them, with the operation
// codes and error codes that go with them.
//
// The records are defined by zookeeper.jute in Apache ZooKeeper. Field names here are
// that file's, in Go's case. Each record has one method, Visit, that both encodes and
// decodes it; see package jute.
//
//	op.go         operation codes, and all that is known about each operation
//	modes.go      create modes, permissions, watch modes and event types
//	owner.go      what an ephemeralOwner says
//	errors.go     error codes
//	data.go       znode metadata: Stat, ACL, Id
//	client.go     requests and replies of the client protocol
//	multi.go      multi and multiRead
//	txn.go        transactions as logged and proposed, file headers
//	txnbodies.go  bodies of transactions that are used again
//	quorum.go     packets between servers
//	hex.go        zxids and ids as text
//	quota.go      the znodes that every server has, and quotas
package proto
