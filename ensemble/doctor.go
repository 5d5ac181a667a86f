package ensemble

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/command"
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

// source is something that rules look at.
type source uint

// Sources.
const (
	ofMembers  source = 1 << iota // readings
	ofClients                     // the members' connections, watches and ephemeral znodes
	ofRoot                        // the ACLs of the top-level znodes, read in a session
	ofAdmin                       // AdminServers
	ofPorts                       // certificates of ports that speak TLS
	ofFile                        // zoo.cfg, even one that no server starts with
	ofConfig                      // zoo.cfg
	ofDirs                        // data directories on this machine
	ofSnapshot                    // the newest snapshot in them
	ofLogs                        // the transactions since
	lastSource

	ofFiles = ofDirs | ofSnapshot | ofLogs
)

// rule is a problem that the doctor looks for.
type rule struct {
	Code     string   `json:"code"`
	Severity severity `json:"severity"`
	Meaning  string   `json:"meaning"`
	Fix      string   `json:"fix"`
	Limit    float64  `json:"limit,omitempty"` // --set CODE.limit=N
	unit     string   // of the limit
	from     source   // one of these suffices
	// look reports what it found by find, and what could not be checked by skip. At least one of the sources is there.
	look func(p *patient, r *rule)
}

// rules returns all of the doctor's rules.
func rules() []*rule {
	return slices.Concat(memberRules(), clientRules(), configRules(), fileRules())
}

// finding is what a rule found.
type finding struct {
	*rule
	Evidence string `json:"evidence"`
}

type skipped struct {
	Code string `json:"code"`
	Why  string `json:"reason"`
}

// patient is what the doctor examines.
type patient struct {
	absent map[source]string // why a source is not there

	survey  *probe.Survey
	verdict probe.Verdict
	clients *sessions
	root    *topLevel
	admins  []*adminServer
	ports   []portCertificate

	lastSnapshot map[*probe.Reading]answer.Opt[answer.Hex]

	config   *zoocfg.Config
	warnings []zoocfg.Warning
	problem  error // with the configuration
	dirs     *dataDirs
	snapshot *scan
	logs     *tail
	now      time.Time

	found   []finding
	skipped []skipped
}

func (p *patient) find(r *rule, format string, a ...any) {
	p.found = append(p.found, finding{r, fmt.Sprintf(format, a...)})
}

func (p *patient) skip(r *rule, format string, a ...any) {
	p.skipped = append(p.skipped, skipped{r.Code, fmt.Sprintf(format, a...)})
}

// untold skips a rule because the members do not report what it needs.
func (p *patient) untold(r *rule, members []string) {
	if members != nil {
		p.skip(r, "not told by %s", strings.Join(members, ", "))
	}
}

func (p *patient) has(s source) bool { _, absent := p.absent[s]; return !absent }

// lacks notes why sources are absent, unless another reason is known.
func (p *patient) lacks(sources source, why string) {
	if p.absent == nil {
		p.absent = map[source]string{}
	}
	for s := source(1); s < lastSource; s <<= 1 {
		if sources&s != 0 && p.has(s) {
			p.absent[s] = why
		}
	}
}

// apply runs a rule on what is there.
func (p *patient) apply(r *rule) {
	var why []string
	for s := source(1); s < lastSource; s <<= 1 {
		if r.from&s == 0 {
			continue
		}
		if p.has(s) {
			r.look(p, r)
			return
		}
		if reason := p.absent[s]; !slices.Contains(why, reason) {
			why = append(why, reason)
		}
	}
	p.skip(r, "%s", strings.Join(why, ", and "))
}

// doctorOptions are those of ensemble doctor.
type doctorOptions struct {
	asking
	config     string
	dirs       []string
	noMembers  bool
	list       bool
	only, less []string
	set        []string
	failOn     string
	output     string
}

func newDoctorCommand(s *ui.Streams, connect Connect) *cobra.Command {
	opt := &doctorOptions{asking: asking{streams: s, connect: connect}}
	c := &cobra.Command{
		Use:         "doctor",
		Short:       "look for what is wrong or will go wrong",
		Annotations: command.Exits{0: "no finding is as severe as --fail-on", 1: "one is", 2: "an option is wrong, or --dir cannot be read"}.Predicate(),
		Long: `Look for problems, present and coming: in the members of an ensemble; with --config
in a zoo.cfg, the key stores that it names, and its data directories if they are on
this machine; with --dir in a data directory. Each finding has a code, the evidence,
what it means and how to fix it. Checks that could not run are listed with the
reason.

zkctl asks the members what status and session ls show, and reads the ACLs of the
top-level znodes in a session. It reads the newest snapshot from end to end. --only
and --skip choose among the checks.`,
		Example: `  zkctl -server zk1 ensemble doctor
  zkctl ensemble doctor --no-members --config /etc/zookeeper/conf/zoo.cfg
  zkctl ensemble doctor --no-members --dir /var/lib/zookeeper --only CHILDREN,ZNODE_SIZE
  zkctl ensemble doctor --list
  zkctl ensemble doctor --skip LOG_WITH_DATA --set LATENCY.limit=20 --fail-on critical`,
		Args: command.ArgCount(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return runDoctor(c.Context(), opt) },
	}
	opt.add(c)
	fs := c.Flags()
	fs.StringVar(&opt.config, "config", "", "also check this zoo.cfg `file`")
	fs.StringArrayVar(&opt.dirs, "dir", nil, "also check this data `folder`; repeat it for a separate dataLogDir")
	fs.BoolVar(&opt.noMembers, "no-members", false, "do not contact the members")
	fs.BoolVar(&opt.list, "list", false, "list the codes without checking anything")
	fs.StringSliceVar(&opt.only, "only", nil, "look only for these `codes`")
	fs.StringSliceVar(&opt.less, "skip", nil, "do not look for these `codes`")
	fs.StringArrayVar(&opt.set, "set", nil, "change a limit: `CODE.limit=N`; repeatable")
	fs.StringVar(&opt.failOn, "fail-on", warning.String(), "`severity` from which on the exit code is 1: "+strings.Join(severityNames, ", "))
	formatFlag(c, &opt.output, "one object")
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(severityNames, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("only", completeCodes)
	_ = c.RegisterFlagCompletionFunc("skip", completeCodes)
	_ = c.RegisterFlagCompletionFunc("set", completeLimits)
	_ = c.MarkFlagDirname("dir")
	return c
}

// completeCodes completes codes separated by commas.
func completeCodes(_ *cobra.Command, _ []string, word string) (list []string, _ cobra.ShellCompDirective) {
	before := word[:strings.LastIndexByte(word, ',')+1]
	for _, r := range rules() {
		list = append(list, before+r.Code+"\t"+r.Meaning)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completeLimits completes CODE.limit=N with the limit that there is.
func completeLimits(*cobra.Command, []string, string) (list []string, _ cobra.ShellCompDirective) {
	for _, r := range rules() {
		if r.unit != "" {
			list = append(list, fmt.Sprintf("%s.limit=%s\t%s", r.Code, decimal(r.Limit), r.unit))
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// chosen returns the rules to apply, with their limits.
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
		if err != nil || r.unit == "" || math.IsNaN(limit) {
			return nil, fmt.Errorf("--set: invalid value %q; use CODE.limit=N (--list shows the codes with a limit)", set)
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
	all = slices.DeleteFunc(all, func(r *rule) bool { return drop[r] || len(keep) > 0 && !keep[r] })
	if len(all) == 0 {
		return nil, errors.New("--only and --skip leave nothing to check; --list lists the codes")
	}
	return all, nil
}

func runDoctor(ctx context.Context, opt *doctorOptions) error {
	format, err := ui.ParseFormat(opt.output)
	if err != nil {
		return err
	}
	fail := severity(slices.Index(severityNames, opt.failOn))
	if fail < 0 {
		return fmt.Errorf("--fail-on: invalid severity %q; use %s", opt.failOn, strings.Join(severityNames, ", "))
	}
	list, err := opt.chosen()
	if err != nil {
		return err
	}
	if opt.list {
		return printRules(opt.streams, format, list)
	}
	if opt.noMembers && opt.config == "" && opt.dirs == nil {
		return errors.New("--no-members leaves nothing to check; name a zoo.cfg with --config or a data directory with --dir")
	}
	p, err := opt.examine(ctx, list)
	if err != nil {
		return err
	}
	for _, r := range list {
		p.apply(r)
	}
	p.sort()
	if err := p.print(opt.streams, format); err != nil {
		return err
	}
	if slices.ContainsFunc(p.found, func(f finding) bool { return f.Severity >= fail }) {
		return &ui.ExitError{Code: ui.ExitFailed}
	}
	return nil
}

// sort puts the worst findings first.
func (p *patient) sort() {
	slices.SortStableFunc(p.found, func(a, b finding) int { return int(b.Severity - a.Severity) })
}

// examine collects what the rules look at.
func (opt *doctorOptions) examine(ctx context.Context, list []*rule) (*patient, error) {
	p := &patient{now: time.Now()}
	var wanted source
	for _, r := range list {
		wanted |= r.from
	}
	if err := p.readFiles(ctx, opt, wanted); err != nil {
		return nil, err
	}
	if opt.noMembers {
		p.lacks(ofMembers|ofClients|ofRoot|ofAdmin|ofPorts, "no member is asked")
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
	return p, p.askMembers(ctx, prober, opt.timeout, wanted)
}
