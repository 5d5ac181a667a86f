package cmd

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/client"
)

// The advice depends on whether a server was named, and on which exist.
func TestAdvice(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	refused := errors.New("connection refused")
	unknown := &net.DNSError{IsNotFound: true}
	const profiles = "profiles:\n  prod: {server: a}\n  staging: {server: b}\n"
	for _, tc := range []struct {
		name, config string
		args         []string
		host         string
		cause        error
		want         string
	}{
		{"nothing named", "", nil, "localhost", refused,
			"no server was given; use -server HOST:PORT; zkctl --local starts a private ZooKeeper to try things out"},
		{"nothing named, profiles", profiles, nil, "localhost", refused,
			"no server was given; use -server HOST:PORT, or -profile NAME for one from the config file (prod, staging); zkctl --local"},
		{"named", profiles, []string{"-server", "localhost:2181"}, "localhost", refused, ""},
		{"named by a profile", "profiles:\n  pr: {server: localhost}\n", []string{"-profile", "pr"}, "localhost", refused, ""},
		{"connected elsewhere since", "", nil, "zk1", refused, ""},
		{"unknown", profiles, nil, "zk1", unknown, ""},
		{"like a profile", profiles, nil, "stagign", unknown, "did you mean the profile staging (-profile staging, or connect staging in the shell)?"},
		{"a profile", profiles, []string{"-server", "prod"}, "prod", unknown, "did you mean the profile prod (-profile prod, or connect prod in the shell)?"},
	} {
		a := newApp(discard())
		args := append([]string{"-config", writeFile(t, "config.yaml", tc.config, 0o600)}, tc.args...)
		line, err := splitArgs(a.flags, args)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.flags.Parse(line.options); err != nil {
			t.Fatal(err)
		}
		stop, err := a.settle(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		round := &client.RoundError{Attempts: []*client.AttemptError{{Address: client.Address{Host: tc.host, Port: client.DefaultPort}, Err: tc.cause}}}
		if got := a.advise(&client.LossError{Cause: round}); got != tc.want && (tc.want == "" || !strings.HasPrefix(got, tc.want)) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := newApp(discard()).advise(refused); got != "" {
		t.Errorf("advice about another error: %q", got)
	}
}

// CLIENT_JVMFLAGS applies only to servers that zkctl does not run, whichever it starts with.
func TestConnectFromOwnServer(t *testing.T) {
	t.Setenv("CLIENT_JVMFLAGS", "-Djute.maxbuffer=54321")
	a := newApp(discard())
	a.options.Config = writeFile(t, "config.yaml", "", 0o600)
	for _, ours := range []bool{true, false} {
		a.options.ours = ours // -local and -server NAME set it to true
		cfg, ok, err := a.named("zk1:2181/app")
		if err != nil || ok != ours {
			t.Fatalf("ours %v: %v, %v", ours, ok, err)
		}
		if ok && (cfg.Servers != "zk1:2181/app" || cfg.MaxPacket != 54321) {
			t.Errorf("%+v", cfg)
		}
	}
	if cfg, err := a.options.session(a.flags, a.streams); err != nil || cfg.MaxPacket != 54321 {
		t.Errorf("not on its own server: %d, %v", cfg.MaxPacket, err)
	}
}
