package check

import (
	"fmt"
	"strings"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// verdict is what a check comes to. A fault means no; a doubt, without a fault, that it could not be told.
type verdict struct {
	Faults   []string `json:"faults"`
	Doubts   []string `json:"unknown"`
	Warnings []string `json:"warnings"`
}

func (v *verdict) fault(format string, args ...any) {
	v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
}

func (v *verdict) doubt(format string, args ...any) {
	v.Doubts = append(v.Doubts, fmt.Sprintf(format, args...))
}

func (v *verdict) warn(format string, args ...any) {
	v.Warnings = append(v.Warnings, fmt.Sprintf(format, args...))
}

// fit is yes or no, or nil if it could not be told.
func (v *verdict) fit() *bool {
	yes := len(v.Faults) == 0
	if yes && len(v.Doubts) > 0 {
		return nil
	}
	return &yes
}

// complete makes no list null in JSON.
func (v *verdict) complete() {
	for _, list := range []*[]string{&v.Faults, &v.Doubts, &v.Warnings} {
		if *list == nil {
			*list = []string{}
		}
	}
}

// exit is the exit code of all verdicts together: one no is a no.
func exit(all ...*verdict) error {
	code := ui.ExitOK
	for _, v := range all {
		switch fit := v.fit(); {
		case fit == nil && code == ui.ExitOK:
			code = ui.ExitUnsure
		case fit != nil && !*fit:
			code = ui.ExitNo
		}
	}
	if code == ui.ExitOK {
		return nil
	}
	return &ui.ExitError{Code: code}
}

// word is the verdict in colour.
func (v *verdict) word(s *ui.Streams) string {
	switch fit := v.fit(); {
	case fit == nil:
		return s.Paint("unknown", color.FgYellow)
	case *fit:
		return s.Paint("fit", color.FgGreen)
	}
	return s.Paint("not fit", color.FgRed)
}

// table prints what was measured, without the dispensable columns that do not fit.
func table(s *ui.Streams, out *strings.Builder, rows [][]string, dispensable ...string) {
	rows = ui.FitTable(rows, s.Width-2, dispensable...)
	for line := range strings.Lines(ui.Table(rows, rows[0][1:]...)) {
		out.WriteString("  " + line)
	}
}

// print lists the reasons below what was measured.
func (v *verdict) print(s *ui.Streams, out *strings.Builder) {
	rows := func(label string, paint color.Attribute, list []string) {
		for _, text := range list {
			fmt.Fprintln(out, s.Hang("  "+s.Paint(label, paint)+" "+escape.Line(text), 4))
		}
	}
	rows("fault:", color.FgRed, v.Faults)
	rows("unknown:", color.FgYellow, v.Doubts)
	rows("warning:", color.FgYellow, v.Warnings)
}
