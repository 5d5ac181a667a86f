package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/await/awaittest"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/port/porttest"
)

// words answers four-letter words; a word that is not among them is not in the white list.
func words(answers map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		word := make([]byte, 4)
		if _, err := io.ReadFull(c, word); err != nil {
			return
		}
		if text, ok := answers[string(word)]; ok {
			_, _ = io.WriteString(c, text)
		} else {
			_, _ = io.WriteString(c, fourletter.NotWhitelisted(string(word))+"\n")
		}
	}
}

const follower = "Zookeeper version: 3.5.9-83df9301aa5c2a5d284a9940177808c01bc35cef, built on 01/06/2021 20:03 GMT\n" +
	"Latency min/avg/max: 0/0/3\nReceived: 7\nSent: 6\nConnections: 1\nOutstanding: 0\nZxid: 0x200000005\nMode: follower\nNode count: 9\n"

func prober(servers ...string) *Prober {
	return &Prober{Client: client.Config{Servers: strings.Join(servers, ",")}}
}

func ask(t *testing.T, p *Prober, timeout time.Duration) *Survey {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	s, err := p.Survey(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPortsThatAreNoMembers(t *testing.T) {
	hold := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for name, test := range map[string]struct {
		serve func(net.Conn)
		state State
		says  string
	}{
		"silent":      {hold, Silent, "no answer in time"},
		"not serving": {words(map[string]string{"srvr": fourletter.NotServing + "\n", "mntr": fourletter.NotServing + "\n"}), NotServing, "does not serve"},
		"closes":      {func(net.Conn) {}, Failed, "closed the connection"},
		"an alert of TLS": {func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 4))
			_, _ = c.Write([]byte{0x15, 3, 3, 0, 2, 2, 0x50})
		}, Failed, "speaks TLS"},
		"a shell": {func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") }, Failed, "SSH"},
		"a web server": {func(c net.Conn) {
			buf := make([]byte, 4096)
			for { // it answers a whole request only
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if bytes.Contains(buf[:n], []byte("\r\n")) {
					_, _ = io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
					return
				}
			}
		}, Failed, "HTTP"},
		"endless": {func(c net.Conn) {
			for {
				if _, err := c.Write(bytes.Repeat([]byte("Mode: leader of all\n"), 4096)); err != nil {
					return
				}
			}
		}, Failed, "not understood|in time|does not speak|too long"},
		"a drip": {func(c net.Conn) {
			for i := 0; ; i++ {
				if _, err := c.Write([]byte{follower[i%len(follower)]}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, Failed, "in time|does not speak"},
		"half an answer, and no more": {func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 4))
			_, _ = io.WriteString(c, follower[:strings.Index(follower, "Zxid")])
		}, Failed, "in the middle of the answer|does not speak"},
		"a mode that no release has": {words(map[string]string{"srvr": strings.Replace(follower, "follower", "dictator", 1)}), Failed, "dictator|cannot be read"},
		"half an answer": {func(c net.Conn) {
			_, _ = io.WriteString(c, follower[:60])
			hold(c)
		}, Failed, "in time|does not speak"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 20 * time.Second // which what the port says comes before
			if strings.Contains(test.says, "in time") {
				timeout = 2 * time.Second
			}
			start := awaittest.Start()
			r := ask(t, prober(porttest.Serve(t, test.serve)), timeout).Readings[0]
			limit := timeout + 5*time.Second
			if timeout > 10*time.Second {
				limit = timeout / 2
			}
			if took, late := start.Late(limit); late {
				t.Errorf("it took %v", took)
			}
			said := false
			for _, part := range strings.Split(test.says, "|") {
				said = said || r.Error != nil && strings.Contains(r.Error.Error(), part)
			}
			if r.State != test.state && !(test.state == Failed && r.State == Silent && strings.Contains(test.says, "in time")) || !said {
				t.Errorf("%s: %v, want %s: %s", r.State, r.Error, test.state, test.says)
			}
			if r.Zxid.Known() || r.Connections.Known() || r.Mode != "" {
				t.Errorf("it knows %+v", r)
			}
		})
	}
}

func TestOnlySrvrIsOpen(t *testing.T) {
	a := porttest.Serve(t, words(map[string]string{"srvr": follower}))
	r := ask(t, prober(a), 5*time.Second).Readings[0]
	if r.State != Serving || r.Mode != "follower" || r.Release() != "3.5.9" || r.Zxid != answer.Some(answer.Hex(0x200000005)) || r.DoorText() != "4lw" {
		t.Errorf("%+v", r)
	}
	if r.Sessions.Known() || r.Uptime.Known() || r.Watches.Known() {
		t.Errorf("it knows what nobody told: %+v", r)
	}
	if len(r.Tried) != 1 || !errors.Is(r.Tried[0].Err, ErrNotWhitelisted) {
		t.Errorf("tried %v", r.Tried)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"sessions":null`) || !strings.Contains(string(text), `"zxid":"0x200000005","epoch":2`) {
		t.Errorf("%s, %v", text, err)
	}
}

// -1 is how servers report what they cannot determine.
func TestNegativeCountsAreUnknown(t *testing.T) {
	srvr := regexp.MustCompile(`(Received|Sent|Connections|Outstanding|Node count): \d+`).ReplaceAllString(follower, "$1: -1")
	mntr := "zk_num_alive_connections\t-1\nzk_open_file_descriptor_count\t-1\nzk_watch_count\t7\n"
	r := ask(t, prober(porttest.Serve(t, words(map[string]string{"srvr": srvr, "mntr": mntr}))), 5*time.Second).Readings[0]
	if r.State != Serving || r.Received.Known() || r.Sent.Known() || r.Connections.Known() || r.Outstanding.Known() || r.Znodes.Known() || r.OpenFiles.Known() {
		t.Errorf("%+v", r)
	}
}

// However many members are silent or gone, the deadline passes once.
func TestDeadMembersCostOneTimeout(t *testing.T) {
	hold := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	var servers []string
	for range 5 {
		servers = append(servers, porttest.Serve(t, hold))
	}
	servers = append(servers, porttest.Serve(t, words(map[string]string{"srvr": follower})))
	const timeout = 500 * time.Millisecond
	start := awaittest.Start()
	s := ask(t, prober(servers...), timeout)
	if took, late := start.Late(3 * timeout); late {
		t.Errorf("it took %v", took)
	}
	states := map[State]int{}
	for _, r := range s.Readings {
		states[r.State]++
	}
	if states[Silent] != 5 || states[Serving] != 1 {
		t.Errorf("%v", states)
	}
}

func adminPort(t *testing.T, h http.Handler) (int, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, _ := url.Parse(s.URL)
	n, _ := strconv.Atoi(u.Port())
	return n, s
}

func TestAdminServers(t *testing.T) {
	say := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	hijack := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(c, text)
				_ = c.Close()
			}
		}
	}
	member := porttest.Serve(t, words(map[string]string{"srvr": follower}))
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string // of the error
	}{
		"unauthorized": {say(401, `{"command":"snapshot","error":"Auth info is missing for the command"}`), ErrIdentity.Error()},
		"forbidden":    {say(403, `{"command":"snapshot","error":"Not authorized"}`), ErrForbidden.Error()},
		"too soon":     {say(429, `{"command":"snapshot","error":"Rate limit reached"}`), ErrTooSoon.Error()},
		"foreign 401":  {say(401, "<html>log in</html>"), "not as an AdminServer"},
		"missing":      {say(404, "<html>404</html>"), "no /commands (404)"},
		"a page":       {say(200, "<html>welcome</html>"), "not as an AdminServer"},
		"other JSON":   {say(200, `{"status":"UP"}`), "not as an AdminServer"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/login", http.StatusFound)
		}, `redirects to "https://elsewhere.example/login"`},
		"a drip": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}, "in time"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(bytes.Repeat([]byte(`{"command":`), 4096))
			}
		}, "the answer is longer than|in time"},
		"half": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"command":"leader","num_alive_connections":1`)
		}, "in the middle of the answer"},
		"silent":      {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "in time"},
		"an error":    {say(200, `{"command":"leader","error":"server is not initialized"}`), "server is not initialized"},
		"not serving": {say(200, `{"command":"leader","error":"`+fourletter.NotServing+`"}`), ErrNotServing.Error()},
		"hangs up":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "without an answer"},
		"no HTTP":     {hijack("zk_version\t3.8.0\n"), "not as an AdminServer: it does not speak HTTP"},
		"no line":     {hijack(strings.Repeat("a", 1<<20)), "not as an AdminServer: it does not speak HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			p := prober(member)
			n, _ := adminPort(t, test.answer)
			p.AdminPorts = []int{n}
			members, err := p.Members()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if strings.Contains(test.want, "in time") {
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			}
			defer cancel()
			_, err = p.Admin(ctx, &members[0], "leader")
			said := false
			for _, part := range strings.Split(test.want, "|") {
				said = said || err != nil && strings.Contains(Reason(err).Error(), part)
			}
			if !said {
				t.Errorf("%v, want %s", err, test.want)
			}
			// Whatever it is, the member's own words count.
			if r := ask(t, p, 5*time.Second).Readings[0]; r.State != Serving || r.Sessions.Known() {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The first of the named members says which ensemble is meant, even if one of another ensemble answers before it.
func TestFirstNamedMemberCounts(t *testing.T) {
	conf := func(ensemble string, clients ...string) map[string]string {
		text := "clientPort=2181\nserverId=1\nmembership: \n"
		for i, addr := range clients {
			text += fmt.Sprintf("server.%d=%s%d:2888:3888:participant;%s\n", i+1, ensemble, i+1, addr)
		}
		return map[string]string{"srvr": follower, "mntr": "zk_version\t3.5.9\n", "conf": text + "version=0"}
	}
	var ours, theirs map[string]string
	ready, widened := make(chan struct{}), make(chan struct{})
	first := porttest.Serve(t, func(c net.Conn) { <-ready; <-widened; words(ours)(c) })
	second := porttest.Serve(t, func(c net.Conn) { <-ready; words(theirs)(c) })
	asked := sync.OnceFunc(func() { close(widened) })
	third := porttest.Serve(t, func(c net.Conn) { <-ready; asked(); words(theirs)(c) }) // only the second names it
	ours, theirs = conf("a", first), conf("b", second, third)
	close(ready)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := prober(first, second).Survey(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, r := range s.Readings {
		found = append(found, fmt.Sprint(r.Name(), " ", r.Stranger))
	}
	if want := []string{first + " false", second + " true"}; s.Config.From != first || !slices.Equal(found, want) {
		t.Errorf("%q by the configuration of %s, want %q", found, s.Config.From, want)
	}
}

// An identity is sent with the commands that need one, and with no other.
func TestIdentityStaysHere(t *testing.T) {
	seen := map[string]string{}
	n, _ := adminPort(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen[r.URL.Path] = r.Header.Get("Authorization")
		fmt.Fprint(w, `{"command":"x","error":null}`)
	}))
	p := prober("127.0.0.1:1")
	p.Client.Auth = []client.Auth{{Scheme: "digest", Data: []byte("root:secret")}}
	p.AdminPorts = []int{n}
	members, _ := p.Members()
	for _, r := range []Request{{Command: "monitor"}, {Command: "snapshot", Auth: true}} {
		if _, err := p.RawAdmin(t.Context(), &members[0], r); err != nil {
			t.Error(err)
		}
	}
	if seen["/commands/monitor"] != "" || seen["/commands/snapshot"] != "digest root:secret" {
		t.Errorf("%v", seen)
	}
}

// The AdminServer at the port may be that of another member on the host.
func TestAdminServerOfAnotherMember(t *testing.T) {
	a, b := porttest.Serve(t, words(map[string]string{"srvr": follower})), porttest.Serve(t, words(map[string]string{"srvr": follower}))
	_, first, _ := net.SplitHostPort(a)
	n, _ := adminPort(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"client_port":%s,"server_id":4,"uptime":12,"command":"configuration","error":null}`, first)
	}))
	p := prober(a, b)
	p.AdminPorts = []int{n}
	s := ask(t, p, 5*time.Second)
	for _, r := range s.Readings {
		if mine := r.Name() == a; mine != (r.ID == answer.Some[int64](4)) || mine != r.Uptime.Known() {
			t.Errorf("%s has the id %v and the uptime %v", r.Name(), r.ID, r.Uptime)
		}
	}
}

func TestNumberOfAdminPorts(t *testing.T) {
	p := prober("127.0.0.1:1", "127.0.0.1:2")
	p.AdminPorts = []int{1, 2, 3}
	if _, err := p.Members(); err == nil {
		t.Error("three ports for two servers are accepted")
	}
}
