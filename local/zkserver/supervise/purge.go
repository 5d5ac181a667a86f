package supervise

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
)

// purges reports whether the supervisor removes old snapshots and logs.
func (s *supervisor) purges() bool { return s.opt.PurgeEvery > 0 && s.cfg.PurgeInterval == 0 }

func (s *supervisor) purger() string {
	switch {
	case s.cfg.PurgeInterval > 0:
		return "server"
	case s.opt.PurgeEvery > 0:
		return "supervisor"
	}
	return "nobody"
}

func (s *supervisor) purgeText() string {
	switch s.purger() {
	case "server":
		return fmt.Sprintf("the server removes old snapshots and logs every %s (autopurge)", brief(s.cfg.PurgeInterval))
	case "supervisor":
		return fmt.Sprintf("old snapshots and logs are removed every %s while the server serves; the newest %d snapshots and their logs are kept", brief(s.opt.PurgeEvery), s.keep())
	}
	return "nobody removes old snapshots and logs"
}

func (s *supervisor) keep() int {
	if s.opt.PurgeKeep > 0 {
		return s.opt.PurgeKeep
	}
	return max(s.cfg.SnapRetainCount, storage.MinPurgeKeep)
}

// purged is the outcome of a purge.
type purged struct {
	files []storage.File // that were removed
	err   error
}

func (s *supervisor) purge(ctx context.Context) {
	s.purging, s.nextPurge = true, time.Now().Add(s.opt.PurgeEvery)
	logs, snapshots, keep := s.cfg.LogDir(), s.cfg.SnapDir(), s.keep()
	go func() {
		var p purged
		plan, err := storage.PlanPurgeIn(ctx, logs, snapshots, keep)
		if err == nil {
			for _, f := range plan.Old() {
				if err = os.Remove(f.Path); err != nil {
					break
				}
				p.files = append(p.files, f)
			}
		}
		p.err = err
		s.purged <- p
	}()
}

func (s *supervisor) tellPurged(p purged) {
	s.reporter.update(func(st *status) {
		st.Purge.Last = time.Now().UnixMilli()
		st.Purge.Removed += len(p.files)
	})
	if len(p.files) > 0 {
		s.reporter.note("purge", "removed %d old snapshots and logs, the last of them %s", len(p.files), p.files[len(p.files)-1].Path)
	}
	if p.err != nil {
		s.reporter.note("purge", "old snapshots and logs cannot be removed: %v", p.err)
	}
}
