package bench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/ui"
)

// result is what a run comes to. Latencies are in ms.
type result struct {
	Mix         string           `json:"mix"`
	Clients     int              `json:"clients"`
	InFlight    int              `json:"inFlight"`
	Rate        float64          `json:"rate"` // asked for; 0 is as fast as possible
	Size        int              `json:"size"`
	Keys        int              `json:"keys"`
	Persistent  bool             `json:"persistent"`
	Seconds     float64          `json:"seconds"` // measured
	Interrupted bool             `json:"interrupted"`
	Operations  int64            `json:"operations"` // that succeeded
	PerSecond   float64          `json:"perSecond"`
	Failed      int64            `json:"failed"`
	Unknown     int64            `json:"unknown"`  // operations whose fate is unknown, because the connection broke
	Unsent      int64            `json:"unsent"`   // with a rate: due, but the server was too slow for them to begin
	Requests    int64            `json:"requests"` // that the load's sessions sent in all, warm-up, preparation and pings included
	Outages     int64            `json:"outages"`  // lost connections
	Silence     float64          `json:"longestSilence"`
	CPU         float64          `json:"cpuSeconds"` // of this process
	Results     []figure         `json:"results"`
	Slow        map[string]int64 `json:"slow"` // operations that took longer
	Comparison  *comparison      `json:"comparison,omitempty"`

	all *hdrhistogram.Histogram
}

// figure is an operation through a member, or through all; Operation is "" for all together.
type figure struct {
	Operation string           `json:"operation"`
	Member    string           `json:"member"` // "" for all
	Mode      string           `json:"mode,omitempty"`
	Count     int64            `json:"operations"`
	PerSecond float64          `json:"perSecond"`
	Mean      float64          `json:"mean"`
	Min       float64          `json:"min"`
	P50       float64          `json:"p50"`
	P90       float64          `json:"p90"`
	P99       float64          `json:"p99"`
	P999      float64          `json:"p99.9"`
	P9999     float64          `json:"p99.99"`
	Max       float64          `json:"max"`
	Errors    map[string]int64 `json:"errors"`
	Unknown   int64            `json:"unknown"`

	latencies *hdrhistogram.Histogram
}

// slow are the bounds above which operations are counted.
var slow = []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second}

func milliseconds(ns int64) float64 { return float64(ns) / 1e6 }

func newFigure(op, member, mode string, f *load.Figures, took time.Duration) figure {
	h := f.Latencies
	r := figure{
		Operation: op, Member: member, Mode: mode, Count: h.TotalCount(), PerSecond: float64(h.TotalCount()) / took.Seconds(),
		Mean: h.Mean() / 1e6, Min: milliseconds(h.Min()), P50: milliseconds(h.ValueAtPercentile(50)), P90: milliseconds(h.ValueAtPercentile(90)),
		P99: milliseconds(h.ValueAtPercentile(99)), P999: milliseconds(h.ValueAtPercentile(99.9)), P9999: milliseconds(h.ValueAtPercentile(99.99)),
		Max: milliseconds(h.Max()), Errors: map[string]int64{}, Unknown: f.Unknown, latencies: h,
	}
	for code, n := range f.Errors {
		r.Errors[code.Name()] += n
	}
	if r.Count == 0 {
		r.Mean, r.Min, r.Max = 0, 0, 0
	}
	return r
}

// result sums up a load.
func (r *run) result(report *load.Report, used time.Duration) *result {
	p := r.plan
	res := &result{
		Mix: p.mix.String(), Clients: p.clients, InFlight: p.inFlight, Rate: p.rate, Size: p.size, Keys: p.keys, Persistent: p.persistent,
		Seconds: report.Took.Seconds(), Interrupted: report.Interrupted, Unsent: report.Unsent, Requests: report.Requests, Outages: report.Outages,
		Silence: milliseconds(int64(report.Gap)), CPU: used.Seconds(), Slow: map[string]int64{},
	}
	total := load.NewFigures()
	for kind, part := range p.mix {
		sum := load.NewFigures()
		var members []figure
		for i, list := range report.Figures {
			f := list[kind]
			sum.Add(f)
			if len(report.Figures) > 1 {
				members = append(members, newFigure(part.op.String(), r.servers[i].Address.String(), r.servers[i].Mode, f, report.Took))
			}
		}
		member, mode := "", ""
		if len(report.Figures) == 1 {
			member, mode = r.servers[0].Address.String(), r.servers[0].Mode
		}
		res.Results = append(append(res.Results, newFigure(part.op.String(), member, mode, sum, report.Took)), members...)
		total.Add(sum)
	}
	if len(p.mix) > 1 {
		res.Results = append(res.Results, newFigure("", "", "", total, report.Took))
	}
	res.all = total.Latencies
	res.Operations, res.Failed, res.Unknown = total.Latencies.TotalCount(), total.Done()-total.Latencies.TotalCount(), total.Unknown
	res.PerSecond = float64(res.Operations) / report.Took.Seconds()
	for _, bar := range total.Latencies.Distribution() {
		for _, bound := range slow {
			if bar.Count > 0 && bar.From >= int64(bound) {
				res.Slow[bound.String()] += bar.Count
			}
		}
	}
	res.Comparison = r.comparison()
	return res
}

// percentiles writes the percentiles of all operations in HdrHistogram's format, in ms.
func (res *result) percentiles(w io.Writer) error {
	_, err := res.all.PercentilesPrint(w, 5, 1e6)
	return err
}

// span formats a latency for people.
func span(ns int64) string {
	ms := float64(ns) / 1e6
	switch {
	case ms < 1:
		return fmt.Sprintf("%.0fµs", ms*1000)
	case ms < 10:
		return fmt.Sprintf("%.2fms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.2fs", ms/1000)
}

func inMs(ms float64) string { return span(int64(ms * 1e6)) }

// number formats a rate.
func number(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return command.Thousands(int(v + 0.5))
}

func perSecond(v float64) string {
	if v < 100 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return command.Thousands(int(v + 0.5))
}

// print prints the result.
func (res *result) print(env *command.Env) error {
	if env.Output == ui.JSON {
		return env.PrintJSON(res)
	}
	s := env.Streams
	var b strings.Builder
	kind := "ephemeral"
	if res.Persistent {
		kind = "persistent"
	}
	pace := "as fast as answers came"
	if res.Rate > 0 {
		pace = "at " + number(res.Rate) + " operations a second"
	}
	head := fmt.Sprintf("%s: %s with %s in flight each, %s, for %.1f s; %s of data, %s %s keys\n\n", res.Mix, command.Counted(res.Clients, "client"),
		command.Thousands(res.InFlight), pace, res.Seconds, command.Counted(res.Size, "byte"), command.Thousands(res.Keys), kind)
	b.WriteString(s.Fold(head))
	rows := [][]string{{"OPERATION", "MEMBER", "COUNT", "PER S", "MEAN", "P50", "P90", "P99", "P99.9", "P99.99", "MAX"}}
	for i := range res.Results {
		f := &res.Results[i]
		member := s.Name(f.Member)
		if f.Mode != "" {
			member += " " + escape.Line(f.Mode)
		}
		row := []string{cmp.Or(f.Operation, "all"), member, command.Thousands(int(f.Count)), perSecond(f.PerSecond)}
		for _, ms := range []float64{f.Mean, f.P50, f.P90, f.P99, f.P999, f.P9999, f.Max} {
			if f.Count == 0 {
				row = append(row, "-")
			} else {
				row = append(row, inMs(ms))
			}
		}
		rows = append(rows, row)
	}
	width := s.Width
	if !s.OutTTY {
		width = 1 << 20
	}
	several := slices.ContainsFunc(res.Results, func(f figure) bool { return f.Member != "" && f.Member != res.Results[0].Member })
	dispensable := []string{"MEMBER", "MEAN", "P90", "P99.9", "COUNT", "P99.99"}
	if several {
		dispensable = []string{"MEAN", "P90", "COUNT", "P99.9", "P99.99", "MAX"}
	}
	rows = ui.FitTable(rows, width, dispensable...)
	b.WriteString(ui.Table(rows, "COUNT", "PER S", "MEAN", "P50", "P90", "P99", "P99.9", "P99.99", "MAX"))
	b.WriteByte('\n')
	var remarks strings.Builder
	res.remarks(&remarks)
	b.WriteString(s.Fold(remarks.String()))
	if res.Comparison != nil {
		res.Comparison.print(&b, s, width)
	}
	_, err := io.WriteString(s.Out, b.String())
	return err
}

// remarks are the lines below the table.
func (res *result) remarks(b *strings.Builder) {
	var parts []string
	for _, bound := range slow {
		if n := res.Slow[bound.String()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s took %v or more", command.Thousands(int(n)), bound))
		}
	}
	if parts != nil {
		fmt.Fprintf(b, "slow: %s\n", strings.Join(parts, ", "))
	}
	errors := map[string]int64{}
	for _, f := range res.Results {
		if f.Operation != "" && (f.Member == "" || len(res.Results) == 1 || !res.several(f.Operation)) {
			for code, n := range f.Errors {
				errors[f.Operation+" "+code] += n
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(errors)) {
		op, code, _ := strings.Cut(what, " ")
		fmt.Fprintf(b, "errors: %s of %s failed with %s\n", command.Thousands(int(errors[what])), op, code)
	}
	if res.Unknown > 0 || res.Outages > 0 {
		fmt.Fprintf(b, "unknown: the connection broke %s; nobody knows what became of %s in flight\n", times(res.Outages), command.Counted(int(res.Unknown), "operation"))
	}
	if res.Unsent > 0 {
		fmt.Fprintf(b, "too slow: %s did not begin in time; the latencies above are of the others, and too low\n", command.Counted(int(res.Unsent), "operation"))
	}
	if share := res.CPU / res.Seconds / float64(runtime.NumCPU()); share > busy {
		fmt.Fprintf(b, "warning: zkctl itself used %.0f%% of this machine's processors; the result is as much about it as about the servers\n", share*100)
	}
}

// busy is the share of the processors above which the load itself may be what is slow.
const busy = 0.5

// several reports whether an operation has a line for each of several members.
func (res *result) several(op string) bool {
	n := 0
	for _, f := range res.Results {
		if f.Operation == op {
			n++
		}
	}
	return n > 1
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return command.Thousands(int(n)) + " times"
}

// print prints a comparison.
func (c *comparison) print(b *strings.Builder, s *ui.Streams, width int) {
	b.WriteString(s.Fold(fmt.Sprintf("\ncompared with %s:\n", escape.Line(c.File))))
	for _, one := range c.Unlike {
		b.WriteString(s.Fold(fmt.Sprintf("  warning: %s, so the runs are not alike\n", escape.Line(one))))
	}
	rows := [][]string{{"OPERATION", "FIGURE", "BEFORE", "AFTER", "CHANGE", "NOISE", "P", "VERDICT"}}
	for _, d := range c.Differences {
		before, after := perSecond(d.Before), perSecond(d.After)
		if d.Figure != "throughput" {
			before, after = inMs(d.Before), inMs(d.After)
		}
		p := "<0.001"
		if d.P >= 0.001 {
			p = fmt.Sprintf("%.3f", d.P)
		}
		row := []string{d.Operation, d.Figure, before, after, fmt.Sprintf("%+.1f%%", d.Change*100), fmt.Sprintf("±%.1f%%", d.Noise*100), p, d.Verdict}
		if d.Verdict == missing {
			row = []string{d.Operation, d.Figure, "-", "-", "-", "-", "-", d.Verdict}
		}
		rows = append(rows, row)
	}
	rows = ui.ShrinkTable(rows, width, "VERDICT", "P", "NOISE")
	b.WriteString(ui.Table(rows, "BEFORE", "AFTER", "CHANGE", "NOISE", "P"))
}
