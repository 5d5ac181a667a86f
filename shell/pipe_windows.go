package shell

import (
	"errors"

	"golang.org/x/sys/windows"
)

func isNoReader(err error) bool {
	return errors.Is(err, windows.ERROR_NO_DATA) || errors.Is(err, windows.ERROR_BROKEN_PIPE)
}
