package localserver

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/apache/apachetest"
	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/port"
	"github.com/zkctl/zkctl/internal/sharedio"
	"github.com/zkctl/zkctl/internal/tlsstore"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver/internal/engine"
)

// versionOf returns the release that a server reports.
func versionOf(t *testing.T, addr string) string {
	t.Helper()
	var s Status
	text, err := FourLetterWord(t.Context(), addr, "srvr", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.readSrvr(text)
	release, _, _ := strings.Cut(s.Version, "-")
	return release
}

func TestEmulate(t *testing.T) {
	for emulate, want := range map[string]string{"": "3.9.5", "3.9": "3.9.5", "3.8": "3.8.6", "3.8.0": "3.8.0"} {
		e := New(t, Options{Emulate: emulate, Ephemeral: true})
		if got := versionOf(t, e.ConnectString()); got != want {
			t.Errorf("emulating %q it says it is %s, want %s", emulate, got, want)
		}
		text, err := FourLetterWord(t.Context(), e.ConnectString(), "conf", nil)
		if err != nil || !strings.Contains(text, "\nzkctl.emulate="+want+"\n") {
			t.Errorf("conf: %s, %v", text, err)
		}
	}
	e := New(t, Options{Properties: map[string]string{"zkctl.emulate": "3.8"}, Ephemeral: true})
	if got := versionOf(t, e.ConnectString()); got != "3.8.6" {
		t.Errorf("with the property it says it is %s", got)
	}
	for name, opt := range map[string]Options{
		`cannot emulate ZooKeeper "3.7"`: {Emulate: "3.7"}, "cannot emulate ZooKeeper 3.8": {Emulate: "3.8", Engine: Apache},
	} {
		if e, err := Start(t.Context(), opt); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v is started, %v, want %q", opt, err, name)
			_ = e.Close()
		}
	}
}

// Embedded members emulate the Apache members of their ensemble, even if they are added later.
func TestEmulateApacheMembers(t *testing.T) {
	in := apachetest.Require(t)
	properties := map[string]string{"tickTime": "1000", "forceSync": "no"}
	properties["4lw.commands.whitelist"] = "srvr"
	e := New(t, Options{Size: 3, Apache: 1, Properties: properties})
	if s := e.Member(3).Status(t.Context()); s.Sessions != -1 || s.DataSize != -1 || s.Watches != -1 || s.Znodes == 0 {
		t.Errorf("without mntr it says %+v", s)
	}
	for _, m := range e.Members() {
		if got := versionOf(t, m.Addr()); got != in.Version {
			t.Errorf("member %d says it is %s, Apache's is %s", m.ID(), got, in.Version)
		}
	}
	e = New(t, Options{Size: 1, Properties: map[string]string{"tickTime": "1000", "forceSync": "no", "standaloneEnabled": "false"}})
	if got := versionOf(t, e.Member(1).Addr()); got != "3.9.5" {
		t.Errorf("without Apache members it says it is %s", got)
	}
	if _, err := e.Add(t.Context(), AddOptions{Engine: Apache}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := versionOf(t, e.Member(1).Addr()); got != in.Version {
			t.Errorf("beside Apache's it says it is %s", got)
		}
		if err := e.Member(1).Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		serve(t, e, e.Members()...)
	}
}

type oldApache struct{ engine.Installation }

func (oldApache) Version() string { return "3.8.0" }

// There is a warning for a release that older Apache members cannot follow.
func TestEmulateMoreThanApache(t *testing.T) {
	for emulate, want := range map[string]string{"3.9": "zkctl.emulate=3.9.5 is newer than the Apache members, which are 3.8.0: they cannot apply a create2 within a multi\n", "3.8.1": "", "": ""} {
		var log sharedio.Buffer
		e := &Ensemble{base: map[string]string{zoocfg.EmulateKey: emulate}, java: oldApache{}, log: &log}
		if e.adoptRelease(); log.String() != want {
			t.Errorf("%q: the log is %q, want %q", emulate, log.String(), want)
		}
	}
}

// A server that joins an ensemble with its own zoo.cfg asks the others for their release.
func TestEmulateTheEnsemble(t *testing.T) {
	others := New(t, Options{Size: 2, Emulate: "3.8.2", Properties: map[string]string{"tickTime": "500", "forceSync": "no"}})
	for _, c := range []struct {
		line, want string
	}{{"", "3.8.2"}, {"zkctl.emulate=3.9\n", "3.9.5"}} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := zoocfg.WriteMyID(dir, 9); err != nil {
			t.Fatal(err)
		}
		free := func() int {
			port, err := port.Free()
			if err != nil {
				t.Fatal(err)
			}
			return port
		}
		client := free()
		text := fmt.Sprintf("dataDir=%s\ntickTime=500\ninitLimit=10\nsyncLimit=5\n4lw.commands.whitelist=*\n%s"+
			"server.9=127.0.0.1:%d:%d:observer;127.0.0.1:%d\n", filepath.ToSlash(dir), c.line, free(), free(), client)
		for _, m := range others.Members() {
			text += "server." + strconv.FormatInt(m.ID(), 10) + "=" + m.line() + "\n"
		}
		file := filepath.Join(filepath.Dir(dir), "zoo.cfg")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		served, ended := make(chan string, 1), make(chan error, 1)
		var log sharedio.Buffer
		go func() {
			ended <- Serve(ctx, ServeOptions{Config: file, Log: &log, Listening: func(addr string) { served <- addr }})
		}()
		select {
		case addr := <-served:
			if err := await.Until(ctx, func() bool {
				answer, err := FourLetterWord(ctx, addr, "srvr", nil)
				return err == nil && strings.Contains(answer, "Mode: observer")
			}); err != nil {
				t.Fatal(err)
			}
			if got := versionOf(t, addr); got != c.want {
				t.Errorf("with %q it says it is %s, want %s\n%s", c.line, got, c.want, log.String())
			}
		case err := <-ended:
			t.Fatalf("%v\n%s", err, log.String())
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if said := strings.Contains(log.String(), "Emulating ZooKeeper 3.8.2 because the server on 127.0.0.1:"); said != (c.line == "") {
			t.Errorf("with %q the log is\n%s", c.line, log.String())
		}
	}
}

// TestTLSOfReleases asks for each version of TLS (ZOOKEEPER-4415, X509Util of release-3.9.2).
func TestTLSOfReleases(t *testing.T) {
	server := certificate(t, "server")
	for _, c := range []struct {
		release, protocol string
		v12, v13          bool
	}{
		{"3.8", "", true, false}, {"3.9.1", "", true, false}, {"3.9", "", true, true},
		{"3.8", "TLSv1.3", false, true}, {"3.9", "TLSv1.3", true, true}, {"3.9", "TLSv1.2", true, false}, {"3.9", "TLS", true, true},
	} {
		port, err := port.Free()
		if err != nil {
			t.Fatal(err)
		}
		properties := map[string]string{"secureClientPort": fmt.Sprint(port), "secureClientPortAddress": "127.0.0.1",
			"ssl.keyStore.location": server, "ssl.clientAuth": "none"}
		if c.protocol != "" {
			properties["ssl.protocol"] = c.protocol
		}
		e := New(t, Options{Emulate: c.release, Ephemeral: true, Properties: properties})
		for version, want := range map[uint16]bool{tls.VersionTLS12: c.v12, tls.VersionTLS13: c.v13} {
			cfg, err := (&client.TLSOptions{TrustStore: tlsstore.Store{File: server}}).Config()
			if err != nil {
				t.Fatal(err)
			}
			cfg.MinVersion, cfg.MaxVersion = version, version
			text, err := FourLetterWord(t.Context(), fmt.Sprintf("127.0.0.1:%d", port), "ruok", cfg)
			if spoken := err == nil && text == "imok"; spoken != want {
				t.Errorf("%+v: %s is spoken: %v, %v", c, tls.VersionName(version), spoken, err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
