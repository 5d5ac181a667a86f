//go:build !linux

package storage

import "os"

// SyncData brings a file's content to disk.
func SyncData(f *os.File) error { return f.Sync() }
