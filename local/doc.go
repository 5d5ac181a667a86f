// Package local keeps servers and ensembles of this machine under names. Each runs as a process in the background
// that outlives the command that started it.
//
// home.go and server.go are what a name stands for: a folder with the server's state, which is locked while its
// process runs. start.go starts and stops that process, background.go is the process. control.go is the socket
// between the two, requests.go what can be asked on it, a Go type for each request. status.go and table.go show a
// server's members, logs.go its log.
package local
