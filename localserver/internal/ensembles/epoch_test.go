package ensembles

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// A member that was killed between logging its new leader's history and recording that leader's
// epoch starts and rejoins.
func TestEpochBehindHistory(t *testing.T) {
	t.Parallel()
	list := seats(t, 3)
	config := ""
	for _, s := range list {
		config += s.line(zoocfg.Participant, false)
	}
	for _, path := range []string{"/first", "/second"} { // each in its own epoch
		for _, s := range list {
			s.configure(config, 0)
			s.start()
		}
		work(t, list[0], list[1], path)
		work(t, list[1], list[2], path)
		work(t, list[2], list[0], path)
		for _, s := range list {
			s.end()
		}
	}
	behind := list[0]
	version2 := filepath.Join(behind.dir, "data", "version-2")
	dir, err := storage.ReadDir(version2)
	if err != nil {
		t.Fatal(err)
	}
	tree, _, err := dir.LoadForServer(false)
	if err != nil || tree.LastZxid()>>32 != dir.CurrentEpoch || dir.CurrentEpoch < 2 {
		t.Fatalf("epoch %d, %v", dir.CurrentEpoch, err)
	}
	if err := storage.WriteEpoch(version2, storage.CurrentEpochFile, dir.CurrentEpoch-1); err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		s.start()
	}
	work(t, list[2], behind, "/third")
	for _, path := range []string{"/first", "/second"} {
		work(t, list[1], behind, path)
	}
	if log := behind.log.String(); !strings.Contains(log, "is older than the last zxid") {
		t.Errorf("the log does not say so:\n%s", log)
	}
	behind.await(fmt.Sprintf("its epoch is above %d", dir.CurrentEpoch), func() bool {
		now, err := storage.ReadDir(version2)
		if err != nil {
			t.Fatal(err)
		}
		return now.CurrentEpoch > dir.CurrentEpoch
	})
}
