package background

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary the process in the background if its first word is "child".
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		err := Report(func(report func(Started)) error {
			switch os.Args[2] {
			case "fails":
				return errors.New("no luck")
			case "ready":
				report(Started{ConnectString: "here"})
			case "silent":
				os.Exit(1)
			}
			time.Sleep(time.Minute) // until the test ends it
			return nil
		})
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, does string) *Process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return &Process{Args: []string{"child", does}, Log: log}
}

func TestStart(t *testing.T) {
	p := child(t, "ready")
	pid := 0
	p.Ready = func(id int) error { pid = id; return nil }
	started, err := p.Start(t.Context())
	if err != nil || started.ConnectString != "here" || !Alive(pid) {
		t.Fatalf("%+v, %v, process %d", started, err, pid)
	}
	if err := Terminate(pid); err != nil {
		t.Error(err)
	}
}

func TestStartFails(t *testing.T) {
	if _, err := child(t, "fails").Start(t.Context()); err == nil || err.Error() != "no luck" {
		t.Errorf("one that reports an error: %v", err)
	}
	p := child(t, "silent")
	if _, err := p.Start(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "its log is "+p.Log.Name()) {
		t.Errorf("one that ends without a report: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := child(t, "hangs").Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one that nobody waits for: %v", err)
	}
	p = child(t, "ready")
	pid, full := 0, errors.New("the disk is full")
	p.Ready = func(id int) error { pid = id; return full }
	if _, err := p.Start(t.Context()); !errors.Is(err, full) || Alive(pid) {
		t.Errorf("one for which there is no room: %v; process %d lives: %v", err, pid, Alive(pid))
	}
}
