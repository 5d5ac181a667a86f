// Package heapfloor spares a long-running process the garbage collections of a small heap: by default, Go collects one
// for every few megabytes allocated, which took a fifth of the CPU time of a busy server.
package heapfloor

import "runtime"

// size is the ballast in bytes. The heap grows to about twice as much before it is collected.
const size = 16 << 20

var ballast []byte

// Hold raises the size that this process's heap may reach before each collection by 2·size. The ballast is address space,
// not memory, because nobody writes to it; what a busy server's heap takes up in addition is garbage, at most size bytes.
func Hold() {
	ballast = make([]byte, size)
	runtime.KeepAlive(ballast)
}
