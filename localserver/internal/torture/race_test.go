//go:build race

package torture

// raceFactor is how much more a process under the race detector may take.
const raceFactor = 8
