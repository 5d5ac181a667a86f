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

// A configuration with ports but no addresses serves only this machine, and has no AdminServer and no
// metrics unless it enables them.
func TestListenOnLoopback(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := probe.Addr().(*net.TCPAddr).Port
	_ = probe.Close()
	for name, test := range map[string]struct {
		text string
		want int // ports
	}{
		"bare":        {"", 1},
		"AdminServer": {"admin.enableServer=true\nadmin.serverPort=0\n", 2},
		"metrics":     {"metricsProvider.className=" + zoocfg.PrometheusProvider + "\nmetricsProvider.httpPort=0\n", 2},
	} {
		text := fmt.Sprintf("dataDir=%s\nclientPort=%d\n%s", filepath.ToSlash(t.TempDir()), free, test.text)
		cfg, _, err := zoocfg.Parse("zoo.cfg", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		ports, err := listen(cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(ports) != test.want {
			t.Errorf("%s: there are %d ports, want %d", name, len(ports), test.want)
		}
		for _, p := range ports {
			if at := p.Addr().(*net.TCPAddr); !at.IP.IsLoopback() {
				t.Errorf("it listens on %s", at)
			}
			_ = p.Close()
		}
	}
}

// A taken port of the AdminServer, or of the metrics, prevents the start.
func TestTakenAdminPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, on := range map[string][2]string{
		"admin.serverPort":         {"admin.enableServer", "true"},
		"metricsProvider.httpPort": {"metricsProvider.className", zoocfg.PrometheusProvider},
	} {
		e, err := Start(t.Context(), Options{Ephemeral: true, Properties: map[string]string{on[0]: on[1], key: fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)}})
		if err == nil {
			e.Close()
		}
		if !errors.Is(err, ErrPortTaken) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
