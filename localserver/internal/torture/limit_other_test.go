//go:build !unix

package torture

import "errors"

func limitFiles(uint64) error { return errors.New("this system limits no files") }
