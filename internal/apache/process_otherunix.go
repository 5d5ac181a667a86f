//go:build unix && !linux

package apache

import "os"

func awaitStop(*os.Process) error { return nil }
