//go:build race

package torture

// raceFactor is how much more memory a process may use under the race detector.
const raceFactor = 8
