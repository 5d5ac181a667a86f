//go:build !unix

package storage

// syncDir does nothing: where directories cannot be opened, the system keeps their names.
func syncDir(string) error { return nil }
