package ui

import (
	"errors"
	"fmt"
	"io"
	"maps"
)

// InFormat makes Report print the error in the format, unless an error within it already has one.
func InFormat(err error, form Format) error {
	var f *formatted
	if err == nil || errors.As(err, &f) {
		return err
	}
	return &formatted{err, form}
}

type formatted struct {
	err  error
	form Format
}

func (e *formatted) Error() string { return e.err.Error() }
func (e *formatted) Unwrap() error { return e.err }

// Detailed is an error with more details for programs than its sentence.
type Detailed interface {
	// Details are fields of the error's JSON object; the names message and exitCode are reserved.
	Details() map[string]any
}

// Report prints err, if it has a text: as a sentence, red on a terminal, or, in the format JSON,
// as an object {"error":{"message":…,"exitCode":…}} on one line, with the details of the first
// Detailed in it.
func Report(w io.Writer, err error) {
	text := err.Error()
	var f *formatted
	switch {
	case text == "": // already reported
	case errors.As(err, &f) && f.form == JSON:
		Object(w, "error", text, details(err))
	default:
		fmt.Fprintln(w, painted(w, text, "31"))
	}
}

// Warn prints a warning, which is a sentence.
func Warn(w io.Writer, format string, a ...any) {
	fmt.Fprintln(w, painted(w, "warning:", "33"), fmt.Sprintf(format, a...))
}

// painted returns text in a colour (the parameters of SGR), if w is a terminal with colours.
func painted(w io.Writer, text, style string) string {
	if t := terminalOf(w); t != nil && t.color {
		return string(mark) + style + "m" + text + string(mark) + "0m"
	}
	return text
}

func details(err error) map[string]any {
	fields := map[string]any{}
	var detailed Detailed
	if errors.As(err, &detailed) {
		maps.Copy(fields, detailed.Details())
	}
	fields["exitCode"] = ExitFailed
	var exit *ExitError
	if errors.As(err, &exit) {
		fields["exitCode"] = exit.Code
	}
	return fields
}

// Note prints a sentence that goes with an answer: in JSON {"note":{"message":…}} on one line, with the fields, which
// may be nil.
func Note(w io.Writer, form Format, fields map[string]any, format string, a ...any) {
	if text := fmt.Sprintf(format, a...); form == JSON {
		Object(w, "note", text, fields)
	} else {
		fmt.Fprintln(w, text)
	}
}

// Object prints {KIND:{"message":TEXT,…}} on one line; fields may be nil.
func Object(w io.Writer, kind, text string, fields map[string]any) {
	inner := map[string]any{"message": text}
	maps.Copy(inner, fields)
	_ = PrintJSON(w, map[string]any{kind: inner}) // text and numbers always encode
}
