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

const exitsKey = "zkctl_exits"

// Note is for the Annotations of a verb.
func (e Exits) Note() map[string]string {
	text, _ := escape.MarshalJSON(e) // strings always encode
	return map[string]string{exitsKey: string(text)}
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
