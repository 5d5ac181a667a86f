package ensemble

import (
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

func printRules(s *ui.Streams, format ui.Format, list []*rule) error {
	if format == ui.JSON {
		return ui.PrintJSON(s.Out, struct {
			Codes []*rule `json:"codes"`
		}{list})
	}
	rows := [][]string{{"CODE", "SEVERITY", "LIMIT", "MEANING"}}
	for _, r := range list {
		rows = append(rows, []string{r.Code, r.Severity.String(), r.limit(), r.Meaning})
	}
	_, err := io.WriteString(s.Out, ui.Table(rows))
	return err
}

// limit is the rule's limit with its unit, "" without one.
func (r *rule) limit() string {
	if r.unit == "" {
		return ""
	}
	return decimal(r.Limit) + " " + r.unit
}

func (p *patient) print(s *ui.Streams, format ui.Format) error {
	if format == ui.JSON {
		found, left := p.found, p.skipped
		if found == nil {
			found = []finding{}
		}
		if left == nil {
			left = []skipped{}
		}
		return ui.PrintJSON(s.Out, struct {
			Time     int64     `json:"time"`
			Findings []finding `json:"findings"`
			Skipped  []skipped `json:"skipped"`
		}{p.now.UnixMilli(), found, left})
	}
	out := &strings.Builder{}
	colors := map[severity]color.Attribute{info: color.FgCyan, warning: color.FgYellow, critical: color.FgRed}
	for _, f := range p.found {
		fmt.Fprintf(out, "%s %s: %s\n  %s\n  %s\n", s.Paint(f.Severity.String(), colors[f.Severity]), f.Code, escape.Line(f.Evidence), f.Meaning, f.Fix)
	}
	switch len(p.found) {
	case 0:
		out.WriteString("No findings.\n")
	case 1:
		out.WriteString("1 finding.\n")
	default:
		fmt.Fprintf(out, "%d findings.\n", len(p.found))
	}
	reasons := map[string][]string{}
	var order []string
	for _, k := range p.skipped {
		if reasons[k.Why] == nil {
			order = append(order, k.Why)
		}
		reasons[k.Why] = append(reasons[k.Why], k.Code)
	}
	for _, why := range order {
		fmt.Fprintf(out, "not checked, %s: %s\n", escape.Line(why), strings.Join(reasons[why], " "))
	}
	_, err := io.WriteString(s.Out, s.Fold(out.String()))
	return err
}
