// Package zab keeps the members of an ensemble the same: election, discovery, synchronisation
// and broadcast, on the wire as ZooKeeper 3.5 to 3.8 speak them.
//
// What is replicated is behind [Replica], which package replica implements. This package
// knows no client and no znode; it orders opaque transactions and brings them to disk.
//
//	zab.go          what a replica and this package owe each other
//	peer.go         a member's life: it looks for a leader, then leads or follows
//	options.go      what it is told when it is made
//	status.go       what monitoring sees of it
//	election*.go    fast leader election and its connections; votes.go is how they are counted
//	leader.go       a leader's term: discovery, waiting for a quorum, ticks
//	learnerconn.go  a learner's connection, on the leader
//	sync.go         how a learner is brought up to date: DIFF, TRUNC or SNAP
//	broadcast.go    the leader's proposals, their acknowledgements and commits
//	learner.go      a follower's or observer's phases
//	learnerlog.go   what it takes into its history
//	views.go        the configuration in force, and the one to come
//	reconfig.go     how a leader changes it
//	journal.go      the transaction log of a member: appended and synced on a goroutine of its own
//	disk.go         log, epochs, truncation: what must survive
//	history.go      the last committed transactions, in memory
//	packet.go       packets of the quorum port
//	sendqueue.go    packets on their way to a connection
//	snapstream.go   a snapshot inside a stream of packets
//	network.go      how members reach each other: TCP, or memory in tests
//
// A standalone server is a [Broadcast] whose quorum is its own journal.
//
// What a member promises is on disk before it says so: the accepted epoch before ACKEPOCH,
// all of the leader's history and the current epoch before the ACK of NEWLEADER, each
// proposal before its ACK. Apache ZooKeeper 3.8 departs from this in places (ZOOKEEPER-3911,
// ZOOKEEPER-4643, ZOOKEEPER-4646); what goes over the wire is the same.
package zab
