//go:build unix

package localserver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A FIFO with the name of a file in a data directory prevents the start, is replaced, or does not
// matter: nothing waits for its other end.
func TestStartBesideFIFO(t *testing.T) {
	for _, file := range []string{
		"myid", ".try", "version-2/currentEpoch", "version-2/acceptedEpoch", "version-2/currentEpoch.tmp",
		"version-2/acceptedEpoch.tmp", "version-2/log.1", "version-2/log.73", "version-2/snapshot.1", lockFile, "version-2/" + lockFile, "initialize",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			dir := damaged(t, "", nil)
			config := filepath.Join(dir, "zoo.cfg")
			text := "dataDir=" + dir + "\nadmin.enableServer=false\nclientPortAddress=127.0.0.1\nclientPort=0\n"
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, file)
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Skip(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			done := make(chan error, 1)
			go func() {
				e, err := Start(ctx, Options{Config: config})
				if err == nil {
					err = e.Close()
				}
				done <- err
			}()
			select {
			case <-done:
			case <-time.After(40 * time.Second):
				t.Error("it hangs")
			}
		})
	}
}
