package ensemble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// severity orders findings.
type severity int

// Severities.
const (
	info severity = iota
	warning
	critical
)

var severityNames = []string{"info", "warning", "critical"}

func (s severity) String() string { return severityNames[s] }

// MarshalText implements encoding.TextMarshaler.
func (s severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// rule is one thing that the doctor looks for.
type rule struct {
	Code     string   `json:"code"`
	Severity severity `json:"severity"`
	Meaning  string   `json:"meaning"`
	Fix      string   `json:"fix"`
	Limit    float64  `json:"limit,omitempty"` // --set CODE.limit=N
	unit     string   // of the limit
	// look reports what it found by find, and otherwise what could not be checked by skip.
	look func(p *patient, r *rule)
}

// finding is what a rule found.
type finding struct {
	*rule
	Evidence string `json:"evidence"`
}

// patient is what the doctor has to look at.
type patient struct {
	survey   *probe.Survey // nil with --config alone
	verdict  probe.Verdict
	config   *zoocfg.Config // nil without --config
	warnings []zoocfg.Warning
	problem  error // of the configuration

	found   []finding
	skipped []skipped
}

type skipped struct {
	Code string `json:"code"`
	Why  string `json:"reason"`
}

func (p *patient) find(r *rule, format string, a ...any) {
	p.found = append(p.found, finding{r, fmt.Sprintf(format, a...)})
}

func (p *patient) skip(r *rule, why string) { p.skipped = append(p.skipped, skipped{r.Code, why}) }

// live runs a check of the members that answer.
func live(check func(p *patient, r *rule)) func(*patient, *rule) {
	return func(p *patient, r *rule) {
		if p.survey == nil {
			p.skip(r, "no member is asked")
			return
		}
		check(p, r)
	}
}

// offline runs a check of the configuration file.
func offline(check func(p *patient, r *rule, c *zoocfg.Config)) func(*patient, *rule) {
	return func(p *patient, r *rule) {
		switch {
		case p.config != nil:
			check(p, r, p.config)
		case p.problem != nil:
			p.skip(r, "the configuration cannot be read")
		default:
			p.skip(r, "--config names no zoo.cfg")
		}
	}
}

// member runs a check of a number that each serving member may tell. known is false where it does not.
func member(check func(m *probe.Reading) (value float64, known bool), text string) func(*patient, *rule) {
	return live(func(p *patient, r *rule) {
		var silent []string
		for _, m := range p.survey.Readings {
			if m.State != probe.Serving {
				continue
			}
			switch v, known := check(m); {
			case !known:
				silent = append(silent, m.Name())
			case v > r.Limit:
				p.find(r, "%s: "+text, m.Name(), decimal(v), decimal(r.Limit))
			}
		}
		if silent != nil {
			p.skip(r, "not told by "+strings.Join(silent, ", "))
		}
	})
}

func metric(name string) func(*probe.Reading) (float64, bool) {
	return func(m *probe.Reading) (float64, bool) {
		if m.Metrics == nil {
			return 0, false
		}
		return m.Metrics.Number(name).Get()
	}
}

func number[T int64 | float64](get func(*probe.Reading) (T, bool)) func(*probe.Reading) (float64, bool) {
	return func(m *probe.Reading) (float64, bool) { v, ok := get(m); return float64(v), ok }
}

// rules are all that the doctor knows.
func rules() []*rule {
	return []*rule{
		{Code: "NO_QUORUM", Severity: critical, Meaning: "Clients cannot write.", Fix: "Start the members that are down; see zkctl ensemble status.",
			look: live(func(p *patient, r *rule) {
				switch yes, known := p.verdict.Quorum.Get(); {
				case !known:
					p.skip(r, p.verdict.Sentence)
				case !yes:
					p.find(r, "%s", p.verdict.Sentence)
				}
			})},
		{Code: "TWO_LEADERS", Severity: critical, Meaning: "The members are not one ensemble, or one leader has lost its quorum and has not noticed yet.",
			Fix: "Compare the server lines of all members; restart the leader with the lower epoch.",
			look: live(func(p *patient, r *rule) {
				var leaders []string
				for _, m := range p.survey.Readings {
					if m.Leads() {
						leaders = append(leaders, m.Name())
					}
				}
				if len(leaders) > 1 {
					p.find(r, "%s lead", strings.Join(leaders, " and "))
				}
			})},
		{Code: "MEMBER_UNREACHABLE", Severity: critical, Meaning: "A member does not serve, so the ensemble survives fewer failures.",
			Fix: "Look at the member's process and log.",
			look: live(func(p *patient, r *rule) {
				for _, m := range p.survey.Readings {
					if m.State != probe.Serving {
						p.find(r, "%s is %s: %v", m.Name(), m.State, m.Error)
					}
				}
			})},
		{Code: "NO_FAILURE_TOLERATED", Severity: warning, Meaning: "The next failure of a member that votes stops writes.",
			Fix: "Bring members back, or run at least three that vote.",
			look: live(func(p *patient, r *rule) {
				if n, known := p.verdict.Tolerates.Get(); known && n == 0 && p.verdict.Quorum.Or(false) {
					p.find(r, "%s", p.verdict.Sentence)
				}
			})},
		{Code: "EVEN_VOTERS", Severity: warning, Meaning: "An even number of voters survives no more failures than one voter less, and fails more often.",
			Fix: "Add a voter, or make one an observer.",
			look: live(func(p *patient, r *rule) {
				if n, known := p.verdict.Voters.Get(); !known {
					p.skip(r, "the number of voters is unknown")
				} else if n%2 == 0 {
					p.find(r, "%d members vote", n)
				}
			})},
		{Code: "STRANGER", Severity: critical, Meaning: "A server that was named is not part of the ensemble.", Fix: "Check the connect string, and the server's own zoo.cfg.",
			look: live(func(p *patient, r *rule) {
				for _, m := range p.survey.Readings {
					if m.Stranger {
						p.find(r, "%s is not in the configuration that %s has", m.Name(), p.survey.Config.From)
					}
				}
			})},
		{Code: "CONFIGURATIONS_DIFFER", Severity: critical, Meaning: "Members do not agree on who belongs to the ensemble.", Fix: "Restart the member with the older version, or repeat the reconfiguration.",
			look: live(func(p *patient, r *rule) {
				told := 0
				for _, m := range p.survey.Readings {
					if m.Config == nil {
						continue
					}
					told++
					if !m.Config.Equal(p.survey.Config.QuorumVerifier) {
						p.find(r, "%s has version %x, %s has %x", m.Name(), uint64(m.Config.Version()), p.survey.Config.From, uint64(p.survey.Config.Version()))
					}
				}
				if told < 2 {
					p.skip(r, "fewer than two members tell it (the word conf)")
				}
			})},
		{Code: "RELEASES_DIFFER", Severity: warning, Meaning: "Different releases may behave differently, and newer ones may write what older ones cannot read.",
			Fix: "Finish the upgrade.",
			look: live(func(p *patient, r *rule) {
				seen := map[string][]string{}
				for _, m := range p.survey.Readings {
					if m.Version != "" {
						seen[m.Release()] = append(seen[m.Release()], m.Name())
					}
				}
				if len(seen) > 1 {
					var parts []string
					for release, members := range seen {
						parts = append(parts, release+" on "+strings.Join(members, ", "))
					}
					slices.Sort(parts)
					p.find(r, "%s", strings.Join(parts, "; "))
				}
			})},
		{Code: "LAG", Severity: warning, Limit: 1000, unit: "transactions", Meaning: "A member is far behind the leader: its clients read old data, and it needs long to take over.",
			Fix: "Look at the member's disk and network.",
			look: live(func(p *patient, r *rule) {
				for _, m := range p.survey.Readings {
					if lag, known := m.Lag.Get(); known && float64(lag) > r.Limit {
						p.find(r, "%s is %d transactions behind, more than %s", m.Name(), lag, decimal(r.Limit))
					}
				}
			})},
		{Code: "OUTSTANDING", Severity: warning, Limit: 100, unit: "requests", Meaning: "Requests come faster than the member answers them.",
			Fix:  "Look for a client that floods it (zkctl session ls), and at the latency of its log's disk.",
			look: member(number(func(m *probe.Reading) (int64, bool) { return m.Outstanding.Get() }), "%s outstanding requests, more than %s")},
		{Code: "LATENCY", Severity: warning, Limit: 100, unit: "ms", Meaning: "Requests have taken long, on average since the start.",
			Fix:  "Look at the latency of its log's disk and at garbage collection.",
			look: member(number(func(m *probe.Reading) (float64, bool) { return m.Latency.Avg.Get() }), "%s ms on average, more than %s")},
		{Code: "SLOW_FSYNC", Severity: warning, Limit: 1000, unit: "ms", Meaning: "A sync of the log was slow; writes wait for it.",
			Fix:  "Give the log a disk of its own (dataLogDir).",
			look: member(metric("zk_max_fsynctime"), "%s ms for the slowest sync since the start, more than %s")},
		{Code: "FILE_DESCRIPTORS", Severity: warning, Limit: 80, unit: "percent", Meaning: "Without free file descriptors no client can connect.",
			Fix: "Raise the limit of the process (ulimit -n), or find who holds the connections (zkctl session ls).",
			look: member(func(m *probe.Reading) (float64, bool) {
				open, ok := m.OpenFiles.Get()
				most, ok2 := m.MaxFiles.Get()
				return float64(open) * 100 / float64(max(1, most)), ok && ok2
			}, "%s percent of the file descriptors are open, more than %s")},
		{Code: "ZNODES", Severity: warning, Limit: 1e6, unit: "znodes", Meaning: "All znodes are in memory, and in every snapshot.",
			Fix:  "Find what grows: zkctl snapshot summary.",
			look: member(number(func(m *probe.Reading) (int64, bool) { return m.Znodes.Get() }), "%s znodes, more than %s")},
		{Code: "DATA_SIZE", Severity: warning, Limit: 1 << 30, unit: "bytes", Meaning: "Large data makes snapshots slow, and joining members need initLimit for them.",
			Fix:  "Find what grows: zkctl snapshot summary.",
			look: member(number(func(m *probe.Reading) (int64, bool) { return m.DataSize.Get() }), "%s bytes of data, more than %s")},
		{Code: "WATCHES", Severity: warning, Limit: 1e6, unit: "watches", Meaning: "A change that many watch is announced to all of them.",
			Fix:  "Find who watches: zkctl session ls.",
			look: member(number(func(m *probe.Reading) (int64, bool) { return m.Watches.Get() }), "%s watches, more than %s")},

		{Code: "CONFIG_INVALID", Severity: critical, Meaning: "The server does not start with this file.", Fix: "Correct what the evidence names.",
			look: func(p *patient, r *rule) {
				switch {
				case p.problem != nil:
					p.find(r, "%v", p.problem)
				case p.config == nil:
					p.skip(r, "--config names no zoo.cfg")
				}
			}},
		{Code: "CONFIG_WARNING", Severity: warning, Meaning: "A setting has no effect, or another than it seems.", Fix: "Correct the key, or take the line out.",
			look: offline(func(p *patient, r *rule, _ *zoocfg.Config) {
				for _, w := range p.warnings {
					p.find(r, "%v", w)
				}
			})},
		{Code: "NO_AUTOPURGE", Severity: warning, Meaning: "Old snapshots and logs stay until the disk is full.", Fix: "Set autopurge.purgeInterval=24, or run zkctl snapshot purge regularly.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				if c.PurgeInterval <= 0 {
					p.find(r, "autopurge.purgeInterval is not set")
				}
			})},
		{Code: "LOG_WITH_DATA", Severity: info, Meaning: "Snapshots compete with the log, for which every write waits.", Fix: "Set dataLogDir to a disk of its own.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				if filepath.Clean(c.DataLogDir) == filepath.Clean(c.DataDir) {
					p.find(r, "dataLogDir and dataDir are %s", c.DataDir)
				}
			})},
		{Code: "DATA_IN_TMP", Severity: critical, Meaning: "The system may delete the data at its next start.", Fix: "Move dataDir out of /tmp.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				for _, dir := range slices.Compact([]string{c.DataDir, c.DataLogDir}) {
					if clean := filepath.ToSlash(filepath.Clean(dir)); clean == "/tmp" || strings.HasPrefix(clean, "/tmp/") || strings.HasPrefix(clean, "/var/tmp/") {
						p.find(r, "%s", dir)
					}
				}
			})},
		{Code: "ANY_ADDRESS", Severity: critical, Meaning: "Other members cannot connect to 0.0.0.0.", Fix: "Write the host's name or address; quorumListenOnAllIPs=true listens on all of them.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				for _, m := range c.Verifier.Members() {
					for _, a := range m.Addrs {
						if a.Quorum().AnyHost() {
							p.find(r, "server.%d=%v", m.ID, m)
						}
					}
				}
			})},
		{Code: "DUPLICATE_ADDRESS", Severity: critical, Meaning: "Two members cannot listen at one address.", Fix: "Give each member ports of its own.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				seen := map[string]int64{}
				for _, m := range c.Verifier.Members() {
					var addresses []string
					for _, a := range m.Addrs {
						addresses = append(addresses, a.Quorum().String(), a.Election().String())
					}
					if !m.Client.IsZero() && !m.Client.AnyHost() {
						addresses = append(addresses, m.Client.String())
					}
					for _, a := range addresses {
						if other, twice := seen[a]; twice {
							p.find(r, "%s is of server.%d and of server.%d", a, other, m.ID)
						}
						seen[a] = m.ID
					}
				}
			})},
		{Code: "SESSION_TIMEOUTS", Severity: warning, Meaning: "Sessions outside 2 to 20 ticks expire early or late: expiry is rounded to the tick.", Fix: "Leave minSessionTimeout and maxSessionTimeout out, or change tickTime.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				if c.MinSessionTimeout < 2*c.TickTime || c.MaxSessionTimeout > 20*c.TickTime {
					p.find(r, "sessions may take %v to %v; a tick is %v", c.MinSessionTimeout, c.MaxSessionTimeout, c.TickTime)
				}
			})},
		{Code: "SERVER_ID", Severity: critical, Meaning: "Ids over 254 break znodes with a time to live.", Fix: "Give the member an id from 1 to 254.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				for _, m := range c.Verifier.Members() {
					if m.ID > 254 && c.ExtendedTypes {
						p.find(r, "server.%d, and extendedTypesEnabled is on", m.ID)
					}
				}
			})},
		{Code: "WORDS_OPEN", Severity: info, Meaning: "Everybody who reaches the client port may reset statistics and list all sessions and watches.", Fix: "Name the words that you need in 4lw.commands.whitelist.",
			look: offline(func(p *patient, r *rule, c *zoocfg.Config) {
				if slices.Contains(c.FourLetterWords, "*") {
					p.find(r, "4lw.commands.whitelist=*")
				}
			})},
	}
}

type doctorOptions struct {
	asking
	config     string
	live       bool
	list       bool
	only, less []string
	set        []string
	failOn     string
	output     string
}

func newDoctorCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &doctorOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "look for what is wrong or will go wrong",
		Long: `Look for problems, present and coming, in the members of an ensemble and, with
--config, in a zoo.cfg. Each finding has a code, the evidence, what it means and
how to fix it. Checks that could not run are listed with the reason.

The exit code is 1 if a finding is at least as severe as --fail-on.`,
		Example: `  zkctl -server zk1 ensemble doctor
  zkctl ensemble doctor --config /etc/zookeeper/conf/zoo.cfg --no-members
  zkctl ensemble doctor --list
  zkctl ensemble doctor --skip LOG_WITH_DATA --set LATENCY.limit=20 --fail-on critical`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runDoctor(c.Context(), opt) },
	}
	opt.add(c)
	fs := c.Flags()
	fs.StringVar(&opt.config, "config", "", "check this zoo.cfg `file` too")
	fs.BoolVar(&opt.live, "no-members", false, "do not contact the members")
	fs.BoolVar(&opt.list, "list", false, "list the codes without checking anything")
	fs.StringSliceVar(&opt.only, "only", nil, "look for these `codes` only")
	fs.StringSliceVar(&opt.less, "skip", nil, "do not look for these `codes`")
	fs.StringArrayVar(&opt.set, "set", nil, "change a limit: `CODE.limit=N`; may be repeated")
	fs.StringVar(&opt.failOn, "fail-on", warning.String(), "`severity` from which on the exit code is 1: "+strings.Join(severityNames, ", "))
	formatFlag(c, &opt.output, "one object")
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(severityNames, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// chosen are the rules to apply, with their limits.
func (opt *doctorOptions) chosen() ([]*rule, error) {
	all := rules()
	var codes []string
	for _, r := range all {
		codes = append(codes, r.Code)
	}
	known := func(option, code string) (*rule, error) {
		if i := slices.IndexFunc(all, func(r *rule) bool { return strings.EqualFold(r.Code, code) }); i >= 0 {
			return all[i], nil
		}
		hint := "--list lists them"
		if q := nearest.DidYouMean(code, "", codes); q != "" {
			hint = q
		}
		return nil, fmt.Errorf("%s: unknown code %q; %s", option, code, hint)
	}
	for _, set := range opt.set {
		code, value, _ := strings.Cut(set, ".limit=")
		r, err := known("--set", code)
		if err != nil {
			return nil, err
		}
		limit, err := strconv.ParseFloat(value, 64)
		if err != nil || r.unit == "" {
			return nil, fmt.Errorf("--set: %q is not CODE.limit=N with a code that has a limit; --list shows them", set)
		}
		r.Limit = limit
	}
	keep := map[*rule]bool{}
	for _, code := range opt.only {
		r, err := known("--only", code)
		if err != nil {
			return nil, err
		}
		keep[r] = true
	}
	drop := map[*rule]bool{}
	for _, code := range opt.less {
		r, err := known("--skip", code)
		if err != nil {
			return nil, err
		}
		drop[r] = true
	}
	return slices.DeleteFunc(all, func(r *rule) bool { return drop[r] || len(keep) > 0 && !keep[r] }), nil
}

func runDoctor(ctx context.Context, opt *doctorOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	fail := severity(slices.Index(severityNames, opt.failOn))
	if fail < 0 {
		return fmt.Errorf("--fail-on: %q is not a severity: %s", opt.failOn, strings.Join(severityNames, ", "))
	}
	list, err := opt.chosen()
	if err != nil {
		return err
	}
	if opt.list {
		return printRules(opt.streams, format, list)
	}
	if opt.live && opt.config == "" {
		return errors.New("--no-members leaves --config to check, and it names no zoo.cfg")
	}
	p, err := opt.examine(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		r.look(p, r)
	}
	slices.SortStableFunc(p.found, func(a, b finding) int { return int(b.Severity - a.Severity) })
	if err := p.print(opt.streams, format); err != nil {
		return err
	}
	if slices.ContainsFunc(p.found, func(f finding) bool { return f.Severity >= fail }) {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// examine collects what there is to look at.
func (opt *doctorOptions) examine(ctx context.Context) (*patient, error) {
	p := &patient{}
	if opt.config != "" {
		p.config, p.warnings, p.problem = zoocfg.Load(opt.config, nil)
		if p.problem != nil {
			p.config = nil
		}
	}
	if opt.live {
		return p, nil
	}
	prober, widen, err := opt.prober()
	if err != nil {
		return nil, err
	}
	if p.survey, err = survey(ctx, prober, widen, opt.timeout); err != nil {
		return nil, err
	}
	p.verdict = p.survey.Judge()
	return p, nil
}

func printRules(s *ui.Streams, format ui.Format, list []*rule) error {
	if format == ui.JSON {
		return printJSON(s.Out, struct {
			Codes []*rule `json:"codes"`
		}{list})
	}
	rows := [][]string{{"CODE", "SEVERITY", "LIMIT", "MEANING"}}
	for _, r := range list {
		limit := ""
		if r.unit != "" {
			limit = decimal(r.Limit) + " " + r.unit
		}
		rows = append(rows, []string{r.Code, r.Severity.String(), limit, r.Meaning})
	}
	_, err := io.WriteString(s.Out, ui.Table(rows))
	return err
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
		return printJSON(s.Out, struct {
			Time     int64     `json:"time"`
			Findings []finding `json:"findings"`
			Skipped  []skipped `json:"skipped"`
		}{time.Now().UnixMilli(), found, left})
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
	_, err := io.WriteString(s.Out, out.String())
	return err
}
