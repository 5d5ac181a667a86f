// Package lazyre compiles regular expressions when they are first used, not at each start of the program.
package lazyre

import (
	"regexp"
	"sync"
)

// New returns a function that returns the compiled expression. It panics at the first use if expr is invalid.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
