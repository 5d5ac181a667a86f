package command

import (
	"bytes"
	"encoding/json"
)

// PrintJSON writes a document on one line, without escaping <, > and &.
func (env *Env) PrintJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := env.Streams.Out.Write(b.Bytes())
	return err
}

// Object is a JSON document with a few fields.
type Object map[string]any
