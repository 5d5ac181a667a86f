package command

import (
	"context"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
)

// Offline is the group of the verbs, which work on files.
const Offline Group = "Offline"

// Verb is what a shell runs besides the commands: it works on files and parses its own words.
type Verb struct {
	Name, Short string
	// Run runs the verb with the words behind its name. shared are values of options that
	// hold where the verb has them.
	Run func(ctx context.Context, s *ui.Streams, words []string, shared map[string]string) error
}

// verb finds a verb of the shell by its name in any case, or returns nil.
func (env *Env) verb(name string) *Verb {
	for i := range env.Verbs {
		if strings.EqualFold(env.Verbs[i].Name, name) {
			return &env.Verbs[i]
		}
	}
	return nil
}

// runVerb runs a verb with the shell's options.
func (env *Env) runVerb(ctx context.Context, v *Verb, words []string) error {
	shared := map[string]string{}
	if env.Output == ui.JSON {
		shared["output"] = string(ui.JSON)
	}
	if env.Yes {
		shared["yes"] = "true"
	}
	return Explain(ctx, v.Run(ctx, env.Streams, words, shared))
}
