//go:build !unix

package tempdir

import "io/fs"

// mine is true where each user has a folder for temporary files.
func mine(fs.FileInfo) bool { return true }
