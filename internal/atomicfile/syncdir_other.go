//go:build !unix

package atomicfile

// SyncDir does nothing: where directories cannot be opened, the system keeps their names.
func SyncDir(string) error { return nil }
