package transfer

import (
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
)

// lineEvery is the time between two lines of progress where there is no terminal.
const lineEvery = 10 * time.Second

// progress shows on Err how many znodes are done: a line that changes on a terminal, else a line now and then.
type progress struct {
	env  *command.Env
	what string
	bar  *ui.Progress
	from time.Time
	next time.Time
}

func newProgress(env *command.Env, what string) *progress {
	now := time.Now()
	return &progress{env: env, what: what, bar: env.Streams.NewProgress(what, 0), from: now, next: now.Add(lineEvery)}
}

func (p *progress) set(n int) {
	if p.env.Streams.ErrTTY {
		p.bar.Set(int64(n))
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(lineEvery)
		p.env.Note("%s %s, %s a second", p.what, command.Counted(n, "znode"), command.Thousands(int(float64(n)/now.Sub(p.from).Seconds())))
	}
}

func (p *progress) done() { p.bar.Done() }
