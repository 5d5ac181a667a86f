//go:build !amd64

package storage

// adlerBlocks leaves everything to adlerWords.
func adlerBlocks(s1, s2 uint64, q []byte) (uint64, uint64, []byte) { return s1, s2, q }
