// Package proto defines every record of ZooKeeper's client protocol, transaction log, snapshot and
// quorum protocol, as ZooKeeper 3.4 to 3.9 write them, with the operation and error codes.
//
// zookeeper.jute in Apache ZooKeeper defines the records. Field names are those of that file,
// capitalised as in Go. Each record has one method, Visit, that both encodes and decodes it; see
// package jute.
//
//	op.go         operation codes, and the facts about each operation
//	modes.go      create modes, permissions, watch modes and event types
//	owner.go      what an ephemeralOwner encodes
//	errors.go     error codes
//	data.go       znode metadata: Stat, ACL, Id
//	client.go     requests and replies of the client protocol
//	multi.go      multi and multiRead
//	txn.go        transactions as logged and proposed, file headers
//	txnbodies.go  reusable bodies of transactions
//	quorum.go     packets between servers
//	hex.go        zxids and ids as text
//	quota.go      znodes that every server has, and quotas
package proto
