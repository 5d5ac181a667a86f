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
// it when it is a read (reads.go) and makes a transaction of it when it is a write
// (prep*.go, on the leader) or forwards it (on a learner); zab orders and logs the
// transaction; commit.go applies it to the tree, fires watches and answers.
package replica
