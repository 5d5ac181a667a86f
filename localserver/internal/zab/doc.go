// Package zab keeps the members of an ensemble consistent: election, discovery, synchronisation and
// broadcast, in the wire protocol of ZooKeeper 3.5 to 3.8.
//
// The replicated state is a [Replica], implemented by package replica. This package knows neither
// clients nor znodes; it orders opaque transactions and writes them to disk.
//
//	zab.go          the contract between a replica and this package
//	peer.go         a member: it looks for a leader, then leads or follows
//	options.go      its options
//	status.go       its state, for monitoring
//	election*.go    fast leader election and its connections; votes.go counts votes
//	leader.go       a leader's term: discovery, waiting for a quorum, ticks
//	learnerconn.go  a learner's connection, on the leader
//	sync.go         how a learner is brought up to date: DIFF, TRUNC or SNAP
//	broadcast.go    the leader's proposals, their acknowledgements and commits
//	learner.go      a follower's or observer's phases
//	learnerlog.go   what it adds to its history
//	views.go        the configuration in force, and the proposed one
//	reconfig.go     how a leader changes it
//	journal.go      a member's transaction log, written and synced on its own goroutine
//	disk.go         log, epochs, truncation: what must survive a crash
//	history.go      the last committed transactions, in memory
//	packet.go       packets of the quorum port
//	sendqueue.go    packets to be written to a connection
//	snapstream.go   a snapshot inside a stream of packets
//	auth.go         how members authenticate to each other, with SASL
//	network.go      how members connect to each other: TCP, or memory in tests
//
// A standalone server is a [Broadcast] whose quorum is its own journal.
//
// What a member promises is on disk before it makes the promise: the accepted epoch before
// ACKEPOCH, all of the leader's history and the current epoch before the ACK of NEWLEADER, each
// proposal before its ACK. Apache ZooKeeper 3.8 departs from this in places (ZOOKEEPER-3911,
// ZOOKEEPER-4643, ZOOKEEPER-4646); what goes over the wire is the same.
package zab
