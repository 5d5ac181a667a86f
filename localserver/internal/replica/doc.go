// Package replica is one ZooKeeper server as its clients see it: connections, sessions, requests,
// watches. It implements [zab.Replica]: package zab orders and stores its transactions, with other
// members or alone.
//
// A server of an ensemble has four names, one for each aspect:
//
//	member   the server as its ensemble sees it: an id, addresses, a data directory; it may be
//	         stopped (localserver.Member)
//	server   a running member: a replica, a peer or (standalone) a journal, and its ports
//	peer     its part in the ensemble: votes, leads or follows ([zab.Peer])
//	replica  its data tree, sessions and clients ([Replica])
//
// One goroutine, the loop (loop.go), owns the data tree, the sessions, the watches and the state of
// every connection. Everything else sends to it: readers of connections their requests, zab its
// commits, timers and monitoring a function to run. So requests are answered and watches fire in
// one order that all clients see.
//
// The path of a request: conn.go reads it; request.go puts it in its connection's queue and answers
// a read, turns a write into a transaction on the leader, or forwards it on a learner; zab orders
// and logs the transaction; commit.go applies it to the tree, fires watches and answers.
// operations.go lists what each operation does.
//
//	replica.go       the replica, its fields by owner, and what zab calls
//	loop.go          the loop; turns.go shares it among connections, clock.go is its time
//	options.go       the options of a replica
//	listen.go        ports and acceptors
//	conn.go          a connection's reader; output.go its writer
//	connect.go       how a session opens or resumes
//	request.go       a request's path through its connection's queue
//	operations.go    the operations, and how each is answered
//	reads.go         operations that read
//	prep*.go         operations that write: their transactions; changes.go what is proposed but not applied
//	commit.go        applying committed transactions
//	session.go       the sessions' table; localsession.go sessions known only to this member
//	reap.go          deleting containers and TTL znodes that are due
//	quota.go         quotas
//	auth*.go         schemes and ACLs; grants.go long lists, x500.go the names in certificates
//	sasl.go          SASL
//	watch*.go        watches and their events
//	save.go          snapshots
//	fault.go         faults that a test injects
//	look.go          inspecting the tree from a test
//	words.go         four-letter words; wordtext.go their texts
//	web*.go          HTTP, and whom it does not answer; admin*.go the AdminServer, metricspage.go Prometheus's page
//	status.go        the member's status; ensemble.go its ensemble's
//	figures.go       what monitoring reports: stats.go, metrics.go, monitor.go, environment*.go
//	listings.go      long listings take turns
//	javatext.go      texts in Java's formats
package replica
