package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/escape"
)

// Exits says when a command has an exit code, of those that answer a question. Without them, 0 is success and 1 failure.
// Help and docs/command-line.md list them.
type Exits map[int]string

const (
	exitsKey     = "zkctl_exits"
	predicateKey = "zkctl_predicate"
)

// Note is for the Annotations of a verb.
func (e Exits) Note() map[string]string {
	text, _ := escape.MarshalJSON(e) // strings always encode
	return map[string]string{exitsKey: string(text)}
}

// Predicate is Note for a verb that answers yes or no with its exit code: an error of it, also one in its options or
// arguments, has the exit code ui.ExitUnsure, unless it has another.
func (e Exits) Predicate() map[string]string {
	notes := e.Note()
	notes[predicateKey] = ""
	return notes
}

// IsPredicate reports whether a verb's Annotations come from Predicate.
func IsPredicate(c *cobra.Command) bool {
	_, is := c.Annotations[predicateKey]
	return is
}

// Ended gives the error of a verb that ran, if any, the exit code that it has by Predicate.
func Ended(ran *cobra.Command, err error) error {
	if err != nil && IsPredicate(ran) {
		return unsure(err)
	}
	return err
}

// ExitsOf returns those of a verb, or nil.
func ExitsOf(c *cobra.Command) (e Exits) {
	_ = json.Unmarshal([]byte(c.Annotations[exitsKey]), &e) // as Note has encoded them
	return e
}

// Rows are the codes with their meanings.
func (e Exits) Rows() (rows [][2]string) {
	for _, code := range slices.Sorted(maps.Keys(e)) {
		rows = append(rows, [2]string{fmt.Sprint(code), e[code]})
	}
	return rows
}
