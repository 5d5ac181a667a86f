// Package torture is the place of the tests that treat the embedded servers badly: kill -9
// under load, hostile clients, failing disks, pauses, and histories of many clients that are
// checked for linearizability. They run for seconds with the other tests, and for as long as
// one likes by make torture.
package torture
