package shell

import (
	"context"
	"io"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// commandVerbs returns the verbs in the form that commands use.
func commandVerbs(list []verb.Constructor) (verbs []command.Verb) {
	for _, construct := range list {
		name, short := describe(construct)
		verbs = append(verbs, command.Verb{
			Name: name, Short: short,
			Run: func(ctx context.Context, s *ui.Streams, words []string, shared map[string]string) error {
				return verb.Run(ctx, construct, s, words, shared)
			},
		})
	}
	return verbs
}

// completedVerbs returns the verbs in the form that completion uses.
func completedVerbs(list []verb.Constructor) (verbs []completions.Verb) {
	for _, construct := range list {
		verbs = append(verbs, completions.NewVerb(construct))
	}
	return verbs
}

func describe(construct verb.Constructor) (name, short string) {
	c := construct(&ui.Streams{Out: io.Discard, Err: io.Discard})
	return c.Name(), c.Short
}
