package ensemble

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/exposition"
	"github.com/zkctl/zkctl/internal/ui"
)

func (h *health) print(opt *healthOptions) error {
	s := opt.streams
	switch opt.format {
	case formatJSON:
		return ui.PrintJSON(s.Out, struct {
			Healthy answer.Opt[bool] `json:"healthy"`
			probe.Verdict
			Checks  []check          `json:"checks"`
			Canary  []*canaryResult  `json:"canary,omitempty"`
			Members []*probe.Reading `json:"members"`
		}{h.ok(), h.verdict, h.checks, h.canary, h.survey.Readings})
	case formatNagios:
		_, err := io.WriteString(s.Out, h.plugin(opt))
		return err
	case formatPrometheus:
		_, err := h.page().WriteTo(s.Out)
		return err
	}
	out := &strings.Builder{}
	switch good, known := h.ok().Get(); {
	case !known:
		out.WriteString(s.Paint("unknown", color.FgYellow))
	case good:
		out.WriteString(s.Paint("healthy", color.FgGreen))
	default:
		out.WriteString(s.Paint("unhealthy", color.FgRed))
	}
	fmt.Fprintf(out, ": %s\n", escape.Line(h.verdict.Sentence))
	for _, c := range h.checks {
		if c.Name != "quorum" && (!c.OK.Or(false) || c.Name == "canary") {
			fmt.Fprintln(out, escape.Line(c.Text))
		}
	}
	_, err := io.WriteString(s.Out, s.Fold(out.String()))
	return err
}

// Exit codes of Nagios plugins.
const (
	nagiosOK = iota
	nagiosWarning
	nagiosCritical
	nagiosUnknown
)

var nagiosNames = []string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

func (h *health) nagios() int {
	code := nagiosOK
	for _, c := range h.checks {
		switch good, known := c.OK.Get(); {
		case known && !good && c.critical:
			return nagiosCritical
		case known && !good:
			code = nagiosWarning
		case !known && code == nagiosOK:
			code = nagiosUnknown
		}
	}
	return code
}

// plugin returns the line of a Nagios plugin, with performance data.
func (h *health) plugin(opt *healthOptions) string {
	clean := strings.NewReplacer("|", "/", "\n", " ")
	texts := []string{h.verdict.Sentence}
	for _, c := range h.bad() {
		if c.Name != "quorum" {
			texts = append(texts, c.Text)
		}
	}
	limit := func(n int64) string {
		if n < 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	minimum := ""
	if opt.minMembers >= 0 {
		minimum = limit(opt.minMembers) + ":"
	}
	serving := 0
	var lag, latency, outstanding, connections answer.Opt[float64]
	for _, r := range h.survey.Readings {
		if r.State != probe.Serving {
			continue
		}
		serving++
		worst(&lag, asFloat(r.Lag))
		worst(&latency, r.Latency.Avg)
		worst(&outstanding, asFloat(r.Outstanding))
		if n, ok := r.Connections.Get(); ok {
			connections = answer.Some(connections.Or(0) + float64(n))
		}
	}
	data := []string{fmt.Sprintf("members=%d;%s;;0;%d", serving, minimum, len(h.survey.Readings))}
	perf := func(name, unit string, v answer.Opt[float64], warn string) {
		if f, ok := v.Get(); ok {
			data = append(data, fmt.Sprintf("%s=%s%s;%s;;0", name, decimal(f), unit, warn))
		}
	}
	perf("lag", "", lag, limit(opt.maxLag))
	maxLatency := ""
	if opt.maxLatency >= 0 {
		maxLatency = decimal(opt.maxLatency)
	}
	perf("latency", "ms", latency, maxLatency)
	perf("outstanding", "", outstanding, limit(opt.maxOutstanding))
	perf("connections", "", connections, "")
	for _, c := range h.canary {
		if c.err == nil {
			perf("canary_"+clean.Replace(c.Address), "ms", answer.Some(math.Round((c.Create+c.Watch)*1000)/1000), "")
		}
	}
	return fmt.Sprintf("ZOOKEEPER %s - %s | %s\n", nagiosNames[h.nagios()], clean.Replace(escape.Line(strings.Join(texts, "; "))), strings.Join(data, " "))
}

func asFloat(n answer.Opt[int64]) answer.Opt[float64] {
	if v, ok := n.Get(); ok {
		return answer.Some(float64(v))
	}
	return answer.Opt[float64]{}
}

// worst keeps the higher of two numbers.
func worst(to *answer.Opt[float64], v answer.Opt[float64]) {
	if f, ok := v.Get(); ok && (!to.Known() || f > to.Or(0)) {
		*to = v
	}
}

// page is what Prometheus gets: all that the exporter has, whether the checks passed, and the canary.
func (h *health) page() *exposition.Page {
	page := exposed(h.survey)
	if good, known := truth(h.ok()).Get(); known {
		page.Family("zkctl_ensemble_healthy", exposition.Gauge, "Whether all checks passed.").Add(good)
	}
	times := page.Family("zkctl_canary_ms", exposition.Gauge, "Time of a step of the canary.")
	for _, c := range h.canary {
		if c.err != nil {
			continue
		}
		for _, step := range []struct {
			name string
			ms   float64
		}{{"connect", c.Connect}, {"create", c.Create}, {"watch", c.Watch}} {
			times.Add(step.ms, exposition.Label{Name: "address", Value: c.Address}, exposition.Label{Name: "step", Value: step.name})
		}
	}
	return page
}
