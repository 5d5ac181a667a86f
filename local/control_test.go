package local

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/localserver"
)

// serving is a server of this home that counts as running, and its process within the test.
func serving(t *testing.T, home Home, name string) (*Server, *process) {
	t.Helper()
	s := &Server{Name: name, Spec: Spec{Size: 1}, PID: os.Getpid(), dir: home.dir(name)}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	lock, err := filelock.Try(s.lockFile())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := listenControl(s)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{server: s, stop: make(chan struct{}, 1)}
	go p.serve(ln)
	t.Cleanup(func() {
		p.http.Close()
		forgetControl(s)
		lock.Close()
	})
	return s, p
}

func TestControl(t *testing.T) {
	home := Home(t.TempDir())
	s, p := serving(t, home, "dev")
	p.ensemble = localserver.New(t, localserver.Options{Ephemeral: true})
	if done, err := s.Do(t.Context(), Pause{}); err != nil || !slices.Equal(done.Members, []int64{1}) {
		t.Errorf("pause: %v, %v", done, err)
	}
	st, err := s.Status(t.Context())
	if err != nil || len(st.Members) != 1 || st.State != localserver.ConditionDown.String() {
		t.Errorf("status: %+v, %v", st, err)
	}
	if done, err := s.Do(t.Context(), Resume{Members{IDs: []int64{1}}}); err != nil || !slices.Equal(done.Members, []int64{1}) {
		t.Errorf("resume: %v, %v", done, err)
	}
	if done, err := s.Do(t.Context(), Heal{Members{Leader: true}}); err != nil || !slices.Equal(done.Members, []int64{1}) {
		t.Errorf("heal: %v, %v", done, err)
	}
	if _, err := s.Do(t.Context(), Kill{Members{IDs: []int64{7}}}); err == nil || err.Error() != "dev has no member 7" {
		t.Errorf("kill 7: %v", err)
	}
	if _, err := ask(t.Context(), s, stopRequest{}); err != nil || len(p.stop) != 1 {
		t.Errorf("stop: %v", err)
	}
	if _, err := ask(t.Context(), s, stopRequest{}); err != nil { // again
		t.Errorf("stop: %v", err)
	}
	stranger := *s
	stranger.Control.Token = "wrong"
	if _, err := stranger.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("with the wrong token: %v", err)
	}
}

// A process of another version of zkctl is recognised, on whichever side.
func TestControlOfAnotherVersion(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"error":"\"\" is not known here"}`))
	}))
	defer old.Close()
	s, _ := serving(t, Home(t.TempDir()), "dev")
	address := s.Control
	s.Control = controlAddr{Network: "tcp", Address: strings.TrimPrefix(old.URL, "http://")}
	if _, err := s.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "by another version of zkctl") {
		t.Errorf("an old process answers: %v", err)
	}
	s.Control = address
	for _, body := range []string{`{"do":"status"}`, `{"version":3,"request":"status","body":{}}`, `{"version":2,"request":"bake","body":{}}`} {
		reply, err := s.post(t.Context(), []byte(body))
		if err != nil || !strings.Contains(reply.Error, "by another version of zkctl") {
			t.Errorf("%s: %+v, %v", body, reply, err)
		}
	}
}

// What is on the wire is what the other side reads.
func TestRequestsOnTheWire(t *testing.T) {
	for _, c := range []struct {
		action Action
		want   string
	}{
		{Kill{Members{IDs: []int64{1, 2}, Leader: true}}, `{"ids":[1,2],"leader":true}`},
		{Partition{Sides: []Members{{IDs: []int64{1}}, {Leader: true}}}, `{"sides":[{"ids":[1]},{"leader":true}]}`},
		{Add{Observer: true}, `{"observer":true}`},
		{Heal{}, `{}`},
	} {
		if answers[c.action.name()] == nil {
			t.Errorf("nothing answers %s", c.action.name())
		}
		if got, err := json.Marshal(c.action); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.action.name(), got, err, c.want)
		}
	}
}
