// Package jq runs filters of jq on JSON data. They see nothing but the data: no files, no modules and no
// environment.
package jq

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/itchyny/gojq"

	"github.com/zkctl/zkctl/internal/jsondoc"
)

// Filter is a filter that is ready to run.
type Filter struct{ code *gojq.Code }

// Parse parses a filter.
func Parse(text string) (*Filter, error) {
	query, err := gojq.Parse(text)
	var code *gojq.Code
	if err == nil {
		code, err = gojq.Compile(query)
	}
	var syntax *gojq.ParseError
	if errors.As(err, &syntax) {
		return nil, fmt.Errorf("jq filter %q: %w at byte %d", text, err, syntax.Offset)
	}
	if err != nil {
		return nil, fmt.Errorf("jq filter %q: %w", text, err)
	}
	return &Filter{code}, nil
}

// Result is a value that a filter yields.
type Result struct{ value any }

// JSON returns it on one line.
func (r Result) JSON() []byte {
	text, err := gojq.Marshal(r.value)
	if err != nil {
		return []byte("null") // never: it comes from a filter
	}
	return text
}

// Text returns a string without quotes, and anything else as JSON, on as many rows as indent needs.
func (r Result) Text(indent bool) []byte {
	if text, is := r.value.(string); is {
		return []byte(text)
	}
	text := r.JSON()
	var rows bytes.Buffer
	if indent && json.Indent(&rows, text, "", "  ") == nil {
		return rows.Bytes()
	}
	return text
}

// Run calls yield for each result of the filter on a JSON document, until it fails. Without any data the
// filter's input is null.
func (f *Filter) Run(ctx context.Context, data []byte, yield func(Result) error) error {
	var input any
	if len(bytes.TrimSpace(data)) > 0 {
		if err := jsondoc.Check(data); err != nil {
			return err
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&input); err != nil {
			return err
		}
	}
	for results := f.code.RunWithContext(ctx, input); ; {
		value, more := results.Next()
		if !more {
			return nil
		}
		if err, failed := value.(error); failed {
			var halt *gojq.HaltError
			switch {
			case errors.As(err, &halt) && halt.Value() == nil:
				return nil
			case ctx.Err() != nil:
				return ctx.Err()
			}
			return fmt.Errorf("jq: %w", err)
		}
		if err := yield(Result{value}); err != nil {
			return err
		}
	}
}
