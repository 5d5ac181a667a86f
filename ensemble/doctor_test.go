package ensemble

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/ensemble/internal/probe"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// well is a survey of three members with which nothing is wrong.
func well(t *testing.T) *probe.Survey {
	t.Helper()
	const text = "server.1=zk1:2888:3888:participant;2181\nserver.2=zk2:2888:3888:participant;2181\nserver.3=zk3:2888:3888:participant;2181\nversion=0"
	s := &probe.Survey{}
	for i, mode := range []string{"leader", "follower", "follower"} {
		v, err := zoocfg.ParseVerifier([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := answer.ParseMntr([]byte("zk_max_fsynctime\t12\n"))
		if err != nil {
			t.Fatal(err)
		}
		name := "zk" + string(rune('1'+i))
		zero := answer.Some[int64](0)
		s.Readings = append(s.Readings, &probe.Reading{
			Member: probe.Member{ID: answer.Some(int64(i + 1)), Addresses: []client.Address{{Host: name, Port: 2181}}},
			State:  probe.Serving, Mode: mode, Version: "3.9.5-x", Lag: zero, Outstanding: zero, Latency: probe.Latency{Avg: answer.Some(0.5)},
			OpenFiles: answer.Some[int64](50), MaxFiles: answer.Some[int64](1000), Znodes: answer.Some[int64](5), DataSize: zero, Watches: zero,
			Metrics: metrics, Config: &probe.Config{QuorumVerifier: v, From: name + ":2181"},
		})
	}
	s.Config = s.Readings[0].Config
	return s
}

// codes applies all rules.
func codes(p *patient) (found []string) {
	if p.survey != nil {
		p.verdict = p.survey.Judge()
	}
	for _, r := range rules() {
		r.look(p, r)
	}
	for _, f := range p.found {
		if !slices.Contains(found, f.Code) {
			found = append(found, f.Code)
		}
	}
	return found
}

const cleanCfg = "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=DIR/data\ndataLogDir=DIR/log\nclientPort=2181\nautopurge.purgeInterval=24\n" +
	"server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nserver.3=zk3:2888:3888\n"

// configured is a patient with a zoo.cfg; DIR is a folder outside /tmp as far as the rules go.
func withConfig(t *testing.T, text string) *patient {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "myid"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "zoo.cfg")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", filepath.ToSlash(dir))), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &patient{}
	if p.config, p.warnings, p.problem = zoocfg.Load(file, nil); p.problem != nil {
		p.config = nil
	} else if !strings.Contains(text, "=/tmp/") {
		p.config.DataDir, p.config.DataLogDir = strings.Replace(p.config.DataDir, dir, "/srv", 1), strings.Replace(p.config.DataLogDir, dir, "/srv", 1)
	}
	return p
}

// Each code is raised by what it is about, and by nothing in a clean ensemble.
func TestEachCodeIsRaised(t *testing.T) {
	raised := map[string]bool{}
	first := func(change func(r *probe.Reading)) func(*probe.Survey) {
		return func(s *probe.Survey) { change(s.Readings[1]) }
	}
	for code, change := range map[string]func(*probe.Survey){
		"NO_QUORUM": func(s *probe.Survey) {
			for _, r := range s.Readings[1:] {
				r.State = probe.Down
			}
		},
		"TWO_LEADERS":          first(func(r *probe.Reading) { r.Mode = "leader" }),
		"MEMBER_UNREACHABLE":   first(func(r *probe.Reading) { r.State = probe.Silent }),
		"NO_FAILURE_TOLERATED": first(func(r *probe.Reading) { r.State = probe.Down }),
		"EVEN_VOTERS": func(s *probe.Survey) {
			v, err := zoocfg.ParseVerifier([]byte("server.1=zk1:2888:3888:participant;2181\nserver.2=zk2:2888:3888:participant;2181\nversion=0"))
			if err != nil {
				t.Fatal(err)
			}
			s.Readings, s.Config = s.Readings[:2], &probe.Config{QuorumVerifier: v}
		},
		"STRANGER": first(func(r *probe.Reading) { r.Stranger = true }),
		"CONFIGURATIONS_DIFFER": first(func(r *probe.Reading) {
			v, err := zoocfg.ParseVerifier([]byte("server.1=zk1:2888:3888:participant;2181\nversion=100000000"))
			if err != nil {
				t.Fatal(err)
			}
			r.Config = &probe.Config{QuorumVerifier: v}
		}),
		"RELEASES_DIFFER":  first(func(r *probe.Reading) { r.Version = "3.8.4-y" }),
		"LAG":              first(func(r *probe.Reading) { r.Lag = answer.Some[int64](1001) }),
		"OUTSTANDING":      first(func(r *probe.Reading) { r.Outstanding = answer.Some[int64](101) }),
		"LATENCY":          first(func(r *probe.Reading) { r.Latency.Avg = answer.Some(100.5) }),
		"FILE_DESCRIPTORS": first(func(r *probe.Reading) { r.OpenFiles = answer.Some[int64](900) }),
		"ZNODES":           first(func(r *probe.Reading) { r.Znodes = answer.Some[int64](1e6 + 1) }),
		"DATA_SIZE":        first(func(r *probe.Reading) { r.DataSize = answer.Some[int64](1<<30 + 1) }),
		"WATCHES":          first(func(r *probe.Reading) { r.Watches = answer.Some[int64](1e6 + 1) }),
		"SLOW_FSYNC": first(func(r *probe.Reading) {
			r.Metrics, _ = answer.ParseMntr([]byte("zk_max_fsynctime\t3000\n"))
		}),
	} {
		s := well(t)
		change(s)
		if got := codes(&patient{survey: s}); !slices.Contains(got, code) {
			t.Errorf("%s is not raised; %v is", code, got)
		}
		raised[code] = true
	}
	for code, text := range map[string]string{
		"CONFIG_INVALID":    strings.Replace(cleanCfg, "initLimit=10", "initLimit=ten", 1),
		"CONFIG_WARNING":    cleanCfg + "tickTim=3000\n",
		"NO_AUTOPURGE":      strings.Replace(cleanCfg, "autopurge.purgeInterval=24\n", "", 1),
		"LOG_WITH_DATA":     strings.Replace(cleanCfg, "dataLogDir=DIR/log\n", "", 1),
		"DATA_IN_TMP":       strings.Replace(cleanCfg, "dataLogDir=DIR/log", "dataLogDir=/tmp/log", 1),
		"ANY_ADDRESS":       strings.Replace(cleanCfg, "server.1=zk1:", "server.1=0.0.0.0:", 1),
		"DUPLICATE_ADDRESS": strings.Replace(cleanCfg, "server.2=zk2:", "server.2=zk1:", 1),
		"SESSION_TIMEOUTS":  cleanCfg + "maxSessionTimeout=90000\n",
		"SERVER_ID":         cleanCfg + "extendedTypesEnabled=true\nserver.255=zk4:2888:3888\nserver.5=zk5:2888:3888\n",
		"WORDS_OPEN":        cleanCfg + "4lw.commands.whitelist=*\n",
	} {
		p := withConfig(t, text)
		if got := codes(p); !slices.Contains(got, code) {
			t.Errorf("%s is not raised; %v is, %v", code, got, p.problem)
		}
		raised[code] = true
	}
	for _, r := range rules() {
		if !raised[r.Code] {
			t.Errorf("nothing raises %s", r.Code)
		}
		if r.Meaning == "" || r.Fix == "" {
			t.Errorf("%s lacks its meaning or fix", r.Code)
		}
	}
	clean := withConfig(t, cleanCfg)
	clean.survey = well(t)
	if got := codes(clean); got != nil || clean.skipped != nil {
		t.Errorf("a clean ensemble has %v, skipped %v, %v", got, clean.skipped, clean.problem)
	}
}

// The page lists what the table of rules has.
func TestDocumentedCodes(t *testing.T) {
	text, err := os.ReadFile("../docs/ensemble.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		limit := ""
		if r.unit != "" {
			limit = decimal(r.Limit) + " " + r.unit
		}
		if row := fmt.Sprintf("| `%s` | %v | %s | %s |", r.Code, r.Severity, limit, r.Meaning); !strings.Contains(string(text), row) {
			t.Errorf("docs/ensemble.md lacks %s", row)
		}
	}
}

func TestDoctor(t *testing.T) {
	e := embedded(t, 3, nil)
	doctor := func(args ...string) output {
		return run(t, newCommand, e.ConnectString(), append([]string{"doctor", "--admin-port", "0", "--set", "LATENCY.limit=1e6"}, args...)...)
	}
	if o := doctor(); o.code != 0 || !strings.HasPrefix(o.out, "No findings.\n") || !strings.Contains(o.out, "not checked, --config names no zoo.cfg: CONFIG_INVALID ") {
		t.Errorf("%+v", o)
	}
	o := doctor("--set", "ZNODES.limit=1", "--only", "ZNODES", "-o", "json")
	var doc struct {
		Findings []struct{ Code, Severity, Evidence, Meaning, Fix string }
	}
	if err := json.Unmarshal([]byte(o.out), &doc); err != nil || o.code != ui.ExitFailed || len(doc.Findings) != 3 || doc.Findings[0].Severity != "warning" || doc.Findings[0].Fix == "" {
		t.Errorf("%v: %+v", err, o)
	}
	if o := doctor("--set", "ZNODES.limit=1", "--fail-on", "critical"); o.code != 0 || !strings.Contains(o.out, "3 findings.") {
		t.Errorf("%+v", o)
	}
	if o := doctor("--set", "ZNODES.limit=1", "--skip", "znodes"); o.code != 0 {
		t.Errorf("%+v", o)
	}
	if o := doctor("--list"); o.code != 0 || !strings.Contains(o.out, "EVEN_VOTERS") {
		t.Errorf("%+v", o)
	}
	for _, args := range [][]string{{"--only", "LATNCY"}, {"--set", "LATENCY=3"}, {"--set", "NO_QUORUM.limit=3"}, {"--fail-on", "bad"}, {"--no-members"}} {
		if o := doctor(args...); o.code != ui.ExitFailed || o.out != "" {
			t.Errorf("%v: %+v", args, o)
		}
	}
	if o := doctor("--no-members", "--config", filepath.Join(t.TempDir(), "none.cfg")); o.code != ui.ExitFailed || !strings.Contains(o.out, "critical CONFIG_INVALID: ") {
		t.Errorf("%+v", o)
	}
}
