package localserver

import (
	"context"
	"os"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/zklog"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// purger deletes old snapshots and logs, at once and then at every interval
// (autopurge.purgeInterval; DatadirCleanupManager). A nil purger does nothing.
type purger struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func startPurger(cfg *zoocfg.Config, log *zklog.Logger) *purger {
	ctx, cancel := context.WithCancel(context.Background())
	p := &purger{cancel, make(chan struct{})}
	go func() {
		defer close(p.done)
		tick := time.NewTicker(cfg.PurgeInterval)
		defer tick.Stop()
		for {
			log.Infof("Purge task started.")
			if err := purge(ctx, cfg, log); err != nil && ctx.Err() == nil {
				log.Errorf("Error occurred while purging. %v", err)
			}
			log.Infof("Purge task completed.")
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return p
}

func (p *purger) close() {
	if p != nil {
		p.cancel()
		<-p.done
	}
}

func purge(ctx context.Context, cfg *zoocfg.Config, log *zklog.Logger) error {
	plan, err := storage.PlanPurgeIn(ctx, cfg.LogDir(), cfg.SnapDir(), cfg.SnapRetainCount)
	if err != nil {
		return err
	}
	for _, f := range plan.Old() {
		log.Infof("Removing file: %s", f.Path)
		if err := os.Remove(f.Path); err != nil {
			return err
		}
	}
	return nil
}
