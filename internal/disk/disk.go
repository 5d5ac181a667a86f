// Package disk says what file system a folder is on, how much room it has, and whether two folders share one.
package disk

import "errors"

// Errors of systems that do not report this.
var errUnknown = errors.New("not known on this system")

// Space is the room of a file system, in bytes.
type Space struct {
	Free  int64 // that can still be written without privileges
	Total int64 // free and taken
}

// SpaceOf returns the room of the file system that holds a folder.
func SpaceOf(dir string) (Space, error) { return spaceOf(dir) }

// Shared reports whether two folders are on one file system.
func Shared(a, b string) (bool, error) { return shared(a, b) }
