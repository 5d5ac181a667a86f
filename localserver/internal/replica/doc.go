// Package replica is one ZooKeeper server as its clients see it: connections, sessions,
// requests, watches. It implements [zab.Replica]: what orders and keeps its transactions is
// package zab, with other members or alone.
//
// A server of an ensemble has four names, one for each thing that there is of it:
//
//	member   the server as its ensemble sees it: an id, addresses, a data directory; it may be
//	         stopped (localserver.Member)
//	server   a running member: a replica, a peer or a journal of its own, and its ports
//	peer     its part in the ensemble: votes, leads or follows ([zab.Peer])
//	replica  its data tree, sessions and clients ([Replica])
//
// One goroutine, the loop (loop.go), owns the data tree, the sessions, the watches and the
// state of every connection. Everything else sends to it: readers of connections their
// requests, zab its commits, timers and monitoring a function to run. So a request is
// answered, and a watch fires, in one order that all clients see.
//
// A request's way: conn.go reads it; request.go puts it in its connection's queue, answers
// it when it is a read and makes a transaction of it when it is a write, on the leader, or
// forwards it, on a learner; zab orders and logs the transaction; commit.go applies it to the
// tree, fires watches and answers. What is done for each operation stands in operations.go.
//
//	replica.go       the replica, its fields by owner, and what zab calls
//	loop.go          the loop; turns.go shares it among connections, clock.go is its time
//	options.go       what a replica is told when it is made
//	listen.go        ports and acceptors
//	conn.go          a connection's reader; output.go its writer
//	connect.go       how a session opens or resumes
//	request.go       a request's way through its connection's queue
//	operations.go    the operations that clients may ask for, and how each is answered
//	reads.go         those that read
//	prep*.go         those that write: their transactions; changes.go what is proposed and not applied
//	commit.go        transactions that a quorum has
//	session.go       the sessions' table; localsession.go sessions that only this member knows
//	reap.go          containers and TTLs that are due
//	quota.go         quotas
//	auth*.go         schemes and ACLs; grants.go long lists, x500.go the names in certificates
//	watch*.go        watches and their events
//	save.go          snapshots
//	fault.go         faults that a test injects
//	look.go          the tree as a test looks at it
//	words.go         four-letter words; wordtext.go their texts
//	web*.go          HTTP, and whom it does not answer; admin*.go the AdminServer, metricspage.go Prometheus's page
//	status.go        what the member knows of itself; ensemble.go of its ensemble
//	figures.go       what monitoring tells: stats.go, metrics.go, monitor.go, environment*.go
//	listings.go      commands that list much take turns
//	javatext.go      texts as a server in Java has them
package replica
