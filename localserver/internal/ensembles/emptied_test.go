package ensembles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/zoocfg"
	"github.com/zkctl/zkctl/localserver"
)

func (s *seat) mode() string {
	text, err := localserver.FourLetterWord(s.t.Context(), s.addr(), "srvr", nil)
	if err != nil {
		return ""
	}
	_, mode, _ := strings.Cut(text, "Mode: ")
	mode, _, _ = strings.Cut(mode, "\n")
	return mode
}

func (s *seat) await(what string, cond func() bool) {
	s.t.Helper()
	await.That(s.t, patience, fmt.Sprintf("server %d: %s", s.id, what), cond)
}

// With db.autocreate=false, a member with an empty data directory does not help to elect a leader
// that lacks what it had acknowledged, unless there is a file initialize.
func TestEmptiedMemberHasNoVote(t *testing.T) {
	t.Parallel()
	for name, java := range map[string][]int64{
		"embedded":                          nil,
		"an Apache's leads the emptied one": {1},
		"an Apache's is emptied":            {3},
	} {
		t.Run(name, func(t *testing.T) {
			list := seats(t, 3, java...)
			config := ""
			for _, s := range list {
				config += s.line(zoocfg.Participant, false)
			}
			for _, s := range list {
				s.settings = "db.autocreate=false\n"
				s.configure(config, 0)
				s.file("data/initialize", "")
				s.start()
			}
			work(t, list[0], list[2], "/all")
			for _, s := range list {
				if _, err := os.Stat(filepath.Join(s.dir, "data/initialize")); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the file initialize of server %d: %v", s.id, err)
				}
			}
			list[1].end()
			work(t, list[0], list[2], "/two")
			list[0].end()
			emptied := list[2]
			emptied.end()
			if err := os.RemoveAll(filepath.Join(emptied.dir, "data/version-2")); err != nil {
				t.Fatal(err)
			}
			emptied.start()
			list[1].start()
			// An election among members with a vote takes a fraction of this.
			mode := ""
			if await.Within(3*time.Second, func() bool { mode = list[1].mode(); return mode != "" }) {
				t.Fatalf("server 2 is %s, of what may have lost what was acknowledged", mode)
			}
			list[0].start()
			for _, s := range list {
				s.await("it serves", func() bool { return s.mode() != "" })
			}
			if mode := list[0].mode(); mode != "leader" {
				t.Errorf("server 1 is %s", mode)
			}
			work(t, emptied, emptied, "/all")
			work(t, emptied, list[1], "/two")
			work(t, list[1], emptied, "/after")
		})
	}
}
