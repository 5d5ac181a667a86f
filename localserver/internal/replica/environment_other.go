//go:build !unix

package replica

// openFiles is unknown on this system.
func openFiles() (open, limit int64) { return -1, -1 }

func osVersion() (string, error) { return "", nil }
