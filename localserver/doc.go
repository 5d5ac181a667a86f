// Package localserver runs ZooKeeper on this machine, for development and for tests: one server or
// an ensemble, on free ports of 127.0.0.1, within the calling process and without Java.
//
// A test gets a server with one call; it stops when the test ends:
//
//	func TestMine(t *testing.T) {
//		server := localserver.New(t)
//		conn := connect(server.ConnectString()) // any ZooKeeper client
//		...
//	}
//
// [Ensemble.Seed], [Ensemble.Dump], [Ensemble.Znode], [Ensemble.Sessions] and [Ensemble.Watches]
// prepare and check znodes and sessions without a client.
//
// Production failures can be caused on demand. Sessions expire ([Ensemble.ExpireSession]), or time
// passes ([Ensemble.Advance]); connections break ([Ensemble.DropConnections]) and are refused
// ([Ensemble.Refuse]); requests are late, fail or get no answer ([Ensemble.Inject]); members die
// ([Member.Kill]), hang ([Member.Pause]), and lose sight of each other ([Ensemble.Partition]).
//
// # What it is, and is not
//
// The server speaks the client protocol of ZooKeeper 3.4 to 3.9, ZAB and the election protocol, and
// keeps its data in ZooKeeper's own files, so that embedded and Apache's members form one ensemble and
// take over each other's data. The project's tests send the same requests to it and to Apache
// ZooKeeper 3.8.0 and compare the answers, run other clients against it (kazoo, Curator, the C client,
// zkCli.sh), and mix members of both kinds. What later releases up to 3.9.5 do differently follows
// their source; [Options.Emulate] chooses the release.
//
// It does not have observer masters, audit logs or metrics providers. A
// setting that would keep somebody out by one of these is an error. docs/server.md in the repository
// lists where it differs from Apache's server.
//
// # Apache's servers
//
// With [Apache] as the engine, the same calls run Apache ZooKeeper's own servers, as Java processes
// that end with this one. Programs that want that import
// github.com/zkctl/zkctl/localserver/apache for its effect; others do not link it.
package localserver
