//go:build !unix

package tempdir

import "io/fs"

// mine is true because each user has a folder for temporary files here.
func mine(fs.FileInfo) bool { return true }
