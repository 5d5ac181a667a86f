// Package local runs named servers and ensembles on this machine. Each is a background process
// that outlives the command that started it.
//
// home.go and server.go define what a name stands for: a folder with the server's state, locked
// while its process runs. start.go starts and stops that process, background.go is the process.
// control.go is the socket between the two; requests.go has a Go type for each request on it.
// status.go and table.go show a server's members, logs.go its log.
package local
