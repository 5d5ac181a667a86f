package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/zkctl/zkctl/internal/child"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/recipe"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

var (
	lockTimeout = command.NewValue("timeout", "D", command.Any, "give up waiting after a time such as 30s, with exit code 1", duration("--timeout"))
	killAfter   = command.NewValue("kill-after", "D", command.Any, "SIGKILL so long after SIGTERM if the lock is lost (default 5s)", duration("--kill-after"))
	lockArgs    = []command.Arg{{Name: "path", Kind: command.NewPath}, {Name: "command", Repeat: true}}
)

// defaultGrace is --kill-after's default.
const defaultGrace = 5 * time.Second

const lockLong = " The command's exit code becomes zkctl's; 128+N if signal N ended it. In its environment are " +
	"ZKCTL_LOCK_PATH, the znode that stands for the lock, and ZKCTL_FENCING_TOKEN, a number that is higher for each holder: whatever the " +
	"command changes elsewhere can refuse a number lower than one that it has seen.\n\n" +
	"If the session is lost, or could be before a server answers again, the command gets SIGTERM, then SIGKILL."

// lockExits are the exit codes besides those of the command.
var lockExits = command.Exits{0: "the command exited with 0", 1: "the lock was not acquired, or the command exited with 1", exitLost: "the lock was lost", 126: "the command cannot be run",
	127: "the command was not found"}

var lockCommand = &command.Command{
	Name: "lock", Group: command.Waiting, Usage: "path [--timeout D] [--kill-after D] -- command [argument …]",
	Short: "run a command while holding a lock",
	Long: "Waits for a lock, runs a command, and lets go of the lock when it ends. Curator's InterProcessMutex, kazoo's Lock and " +
		"others with the same path are excluded, too." + lockLong,
	Options: command.Options{lockTimeout, killAfter},
	Args:    lockArgs,
	Exits:   lockExits,
	Examples: []command.Example{
		{"lock /locks/backup -- /usr/local/bin/backup --full", "one backup at a time"},
		{"lock /locks/backup --timeout 1ms -- backup", "not at all if another runs"},
	},
	Run: func(ctx context.Context, env *command.Env, in *command.Invocation) error {
		return runLocked(ctx, env, in, recipe.Options{Path: in.Args[0], Data: []byte(whereFrom())})
	},
}

// whereFrom says which process a contender is.
func whereFrom() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
}

// exitLost is the exit code when the lock was lost: EX_TEMPFAIL of sysexits.h.
const exitLost = 75

// runLocked is lock and elect.
func runLocked(ctx context.Context, env *command.Env, in *command.Invocation, opt recipe.Options) error {
	var timeout, grace time.Duration
	if err := errors.Join(value(in, lockTimeout, 0, &timeout), value(in, killAfter, defaultGrace, &grace)); err != nil {
		return err
	}
	if env.Session == nil {
		return session.ErrNone
	}
	cfg, err := env.Session.Apart() // its ephemeral znodes are its own
	if err != nil {
		return err
	}
	q := queueing{env: env, path: opt.Path}
	opt.Waiting = q.waiting
	lock, err := recipe.NewLock(ctx, cfg, opt)
	if err != nil {
		return err
	}
	defer lock.Release()
	waiting := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeoutCause(ctx, timeout, errTimeIsUp)
		defer cancel()
	}
	if err := lock.Acquire(waiting); err != nil {
		if errors.Is(err, errTimeIsUp) {
			return fmt.Errorf("%s: not acquired within %v; %s", env.Streams.Name(opt.Path), timeout, q.text())
		}
		return err
	}
	return runHolding(ctx, env, lock, in.Args[1:], grace)
}

// errTimeIsUp is the cause of a context whose --timeout has passed.
var errTimeIsUp = errors.New("the time is up")

// queueing tells a person what a contender waits for.
type queueing struct {
	env    *command.Env
	path   string
	before int
	next   string
	owner  int64
	told   bool
}

func (q *queueing) waiting(before int, next string, owner int64) {
	q.before, q.next, q.owner = before, next, owner
	if !q.told {
		q.told = true
		q.env.Note("waiting for %s: %s", q.env.Streams.Name(q.path), q.text())
	}
}

func (q *queueing) text() string {
	if q.before == 0 {
		return "nobody is known to hold it"
	}
	owner := ""
	if proto.EphemeralTypeOf(q.owner) == proto.EphemeralNormal {
		owner = " of session " + proto.Hex(q.owner)
	}
	return fmt.Sprintf("%s before this one, next to it %s%s", command.Counted(q.before, "contender"), q.env.Streams.Name(q.next), owner)
}

// runHolding runs the command while the lock is held.
func runHolding(ctx context.Context, env *command.Env, lock *recipe.Lock, words []string, grace time.Duration) error {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "ZKCTL_LOCK_PATH="+lock.Znode(), "ZKCTL_FENCING_TOKEN="+strconv.FormatInt(lock.Token(), 10))
	s := env.Streams
	cmd.Stdout, cmd.Stderr = ui.Raw(s.Out), ui.Raw(s.Err)
	cmd.WaitDelay = time.Second // for what it leaves behind with its output open
	var terminal *os.File
	switch {
	case s.InTTY && ui.IsTerminal(os.Stdin):
		terminal, cmd.Stdin = os.Stdin, os.Stdin
	case env.Shell == nil: // otherwise the input is a script
		cmd.Stdin = s.In
	}
	running, code, err := child.Start(cmd, terminal)
	if err != nil {
		var in *fs.PathError // which repeats the path
		if errors.As(err, &in) {
			err = in.Err
		}
		return &ui.ExitError{Code: code, Err: fmt.Errorf("run %q: %w", words[0], err)}
	}
	holding, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	lost := make(chan time.Time, 1)
	var loss *recipe.Loss
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if loss = lock.Hold(holding, grace); loss != nil {
			env.Complain(fmt.Errorf("%w; ending %s", loss.Err, s.Name(words[0])))
			lost <- loss.By
		}
	}()
	ended := running.Wait(ctx, lost, grace)
	release()
	<-watched
	switch {
	case ended:
		return &ui.ExitError{Code: exitLost, Passed: true}
	case running.Code() != 0:
		return &ui.ExitError{Code: running.Code(), Passed: true}
	}
	return nil
}
