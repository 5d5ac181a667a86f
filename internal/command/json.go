package command

import "github.com/zkctl/zkctl/internal/ui"

// PrintJSON writes a document on one line.
func (env *Env) PrintJSON(v any) error { return ui.PrintJSON(env.Streams.Out, v) }

// Object is a JSON document with a few fields.
type Object map[string]any
