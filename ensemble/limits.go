package ensemble

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/client"
)

// Limits asks the server at an address for its tickTime, and its syncLimit, which is 0 if it stands alone, for commands of
// other rooms. It asks by the word conf, or its AdminServer.
func Limits(ctx context.Context, cfg client.Config, server string) (tick time.Duration, syncTicks int64, err error) {
	opt := asker(cfg)
	opt.members = server
	p, _, err := opt.prober()
	if err != nil {
		return 0, 0, err
	}
	members, err := p.Members()
	if err != nil {
		return 0, 0, err
	}
	settings, err := answerOf[*answer.Settings](ctx, p, &members[0], "conf")
	if err != nil {
		return 0, 0, err
	}
	ms, known := settings.Int("tickTime").Get()
	if !known || ms <= 0 || ms > 1<<31 {
		return 0, 0, errors.New("it does not tell its tickTime")
	}
	syncTicks = settings.Int("syncLimit").Or(0)
	if syncTicks < 0 || syncTicks > 1<<31 {
		return 0, 0, fmt.Errorf("it tells a syncLimit of %d", syncTicks)
	}
	return time.Duration(ms) * time.Millisecond, syncTicks, nil
}
