//go:build !unix

package atomicfile

// SyncDir does nothing: on systems where directories cannot be opened, names are durable anyway.
func SyncDir(string) error { return nil }
