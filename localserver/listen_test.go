package localserver

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/zoocfg"
)

// A configuration that names a client port and no address serves this machine alone, and has no
// AdminServer.
func TestListenOnLoopback(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := probe.Addr().(*net.TCPAddr).Port
	_ = probe.Close()
	for _, admin := range []bool{false, true} {
		text := fmt.Sprintf("dataDir=%s\nclientPort=%d\n", filepath.ToSlash(t.TempDir()), free)
		if admin {
			text += "admin.enableServer=true\nadmin.serverPort=0\n"
		}
		cfg, _, err := zoocfg.Parse("zoo.cfg", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		ports, err := listen(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 1, true: 2}[admin]; len(ports) != want {
			t.Errorf("with admin.enableServer=%t there are %d ports, want %d", admin, len(ports), want)
		}
		for _, p := range ports {
			if at := p.Addr().(*net.TCPAddr); !at.IP.IsLoopback() {
				t.Errorf("it listens on %s", at)
			}
			_ = p.Close()
		}
	}
}

// A port of the AdminServer that somebody else has ends the start.
func TestTakenAdminPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	e, err := Start(t.Context(), Options{Ephemeral: true, Properties: map[string]string{
		"admin.enableServer": "true", "admin.serverPort": fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)}})
	if err == nil {
		e.Close()
	}
	if !errors.Is(err, ErrPortTaken) || !strings.Contains(err.Error(), "admin.serverPort") {
		t.Error(err)
	}
}
