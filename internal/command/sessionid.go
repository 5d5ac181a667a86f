package command

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseSessionID parses a session id as people and tools write it: 0x10000221ceb0000, or decimal.
func ParseSessionID(s string) (int64, error) {
	if digits, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		if n, err := strconv.ParseUint(digits, 16, 64); err == nil {
			return int64(n), nil
		}
	} else if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	return 0, InvalidSessionID(s)
}

// InvalidSessionID is the error if s is not the id of a session.
func InvalidSessionID(s string) error {
	return fmt.Errorf("invalid session id %q; use a number such as 0x10000221ceb0000", s)
}
