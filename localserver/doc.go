// Package localserver runs ZooKeeper on this machine, for development and for tests: one
// server or an ensemble, on free ports of 127.0.0.1, within the calling process and without
// Java. A client cannot tell it from Apache ZooKeeper 3.9 or, if Options.Emulate asks for it,
// 3.8, and it keeps its data in ZooKeeper's own files.
//
// A test has a server with one call; it ends with the test:
//
//	func TestMine(t *testing.T) {
//		server := localserver.New(t)
//		conn := connect(server.ConnectString())
//		...
//	}
//
// Everything that goes wrong in production can be had on demand: sessions expire
// ([Ensemble.ExpireSession]), connections break ([Ensemble.DropConnections]) and are refused
// ([Ensemble.Refuse]), replies come late, as errors or never ([Ensemble.Inject]), members die
// ([Member.Kill]), hang ([Member.Pause]), and lose sight of each other
// ([Ensemble.Partition]).
//
// With [Apache] as its engine the same calls run Apache ZooKeeper's own servers, as Java
// processes that end with this one.
package localserver
