package probe

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/port/porttest"
)

// releases are the members of an ensemble of mixed releases, in the order of their ids, with answers written after the
// source of each.
var releases = []string{"3.4.14", "3.5.10", "3.6.4", "3.7.2", "3.10.0", "3.9.4"}

// member serves a release's words, those that are open, and its AdminServer.
func member(t *testing.T, release string, open ...string) (addr string, admin int) {
	t.Helper()
	a, err := txtar.ParseFile("../answer/testdata/source/" + release + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	answers, commands := map[string]string{}, map[string]string{}
	for _, f := range a.Files {
		if command, ok := strings.CutSuffix(f.Name, ".json"); ok {
			commands["/commands/"+command] = string(f.Data)
		}
		for _, word := range open {
			if word == f.Name {
				answers[word] = string(f.Data)
			}
		}
	}
	addr = porttest.Serve(t, words(answers))
	if len(commands) == 0 {
		return addr, 1 // where nobody listens
	}
	admin, _ = adminPort(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := commands[r.URL.Path]
		if !ok {
			text = fmt.Sprintf(`{"command":%q,"error":"Unknown command"}`, r.URL.Path)
		}
		_, _ = io.WriteString(w, text)
	}))
	return addr, admin
}

func mixed(t *testing.T, open ...string) *Survey {
	t.Helper()
	var servers []string
	p := &Prober{}
	for _, release := range releases {
		addr, admin := member(t, release, open...)
		servers, p.AdminPorts = append(servers, addr), append(p.AdminPorts, admin)
	}
	p.Client.Servers = strings.Join(servers, ",")
	s := ask(t, p, 20*time.Second)
	inOrder := make([]*Reading, len(releases))
	for _, r := range s.Readings {
		i := slices.Index(releases, r.Release())
		if i < 0 || r.State != Serving {
			t.Fatalf("%s is %s and runs %q: %v", r.Name(), r.State, r.Release(), r.Error)
		}
		inOrder[i] = r
	}
	s.Readings = inOrder
	return s
}

func TestMixedReleases(t *testing.T) {
	for name, open := range map[string][]string{"all words": fourletter.Words, "only srvr": {"srvr"}} {
		t.Run(name, func(t *testing.T) {
			s := mixed(t, open...)
			for i, r := range s.Readings {
				shut := len(open) == 1 && i == 0 // 3.4 has no other door
				if r.ID.Known() == shut || r.Watches.Known() == shut || r.Sessions.Known() != (i >= 2 && (r.Metrics != nil)) {
					t.Errorf("%s: id %v, sessions %v, watches %v through %s", releases[i], r.ID, r.Sessions, r.Watches, r.DoorText())
				}
				if r.Latency.Max.Or(-1) < 0 || r.Znodes != answer.Some[int64](9) || r.Outstanding != answer.Some[int64](1) {
					t.Errorf("%s: %+v", releases[i], r)
				}
			}
			if got := []bool{s.Readings[3].Mode == "read-only", s.Readings[3].Lag.Known(), s.Readings[1].Leads(), s.Readings[5].Votes()}; fmt.Sprint(got) != "[true false true false]" {
				t.Errorf("read-only, its lag, leader, observer's vote: %v", got)
			}
			v := s.Judge()
			all := strings.Join(v.Problems, "\n")
			if !strings.HasPrefix(v.Sentence, "quorum 4 of 5, leader ") || !strings.Contains(all, "is read-only") || !strings.Contains(all, "different releases: 3.10.0, 3.4.14, 3.5.10") {
				t.Errorf("%q\n%s", v.Sentence, all)
			}
		})
	}
}

// A member without a leader says so at each door, in its release's way.
func TestMembersThatDoNotServe(t *testing.T) {
	silent := `{"command":"configuration","error":"` + fourletter.NotServing + `"}`
	for name, test := range map[string]struct {
		end     string // of the word's answer
		monitor func(http.ResponseWriter)
		doors   string
	}{
		"3.4": {"\n", nil, "4lw"},
		"3.5": {"\n", func(w http.ResponseWriter) { _, _ = io.WriteString(w, silent) }, "4lw+admin"},
		"3.6": {"", func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "<html><title>Error 500 java.lang.NullPointerException</title></html>")
		}, "4lw+admin"},
	} {
		t.Run(name, func(t *testing.T) {
			p := prober(porttest.Serve(t, words(map[string]string{"srvr": fourletter.NotServing + test.end})))
			p.AdminPorts = []int{1}
			if test.monitor != nil {
				n, _ := adminPort(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/commands/monitor" {
						test.monitor(w)
						return
					}
					_, _ = io.WriteString(w, silent)
				}))
				p.AdminPorts = []int{n}
			}
			r := ask(t, p, 20*time.Second).Readings[0]
			if r.State != NotServing || !errors.Is(r.Error, ErrNotServing) || r.DoorText() != test.doors || r.Mode != "" || r.Zxid.Known() {
				t.Errorf("%s through %s: %v, %+v", r.State, r.DoorText(), r.Error, r)
			}
		})
	}
}
