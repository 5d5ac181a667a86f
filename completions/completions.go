// Package completions determines what can come next on a line: commands, options, their values,
// znode paths, servers and files. It asks commands what a command accepts, and the session what
// exists; neither depends on it. Answers come from a cache; what is missing is fetched in the
// background.
package completions

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// Tree is where znodes are looked up, such as a *client.Conn.
type Tree interface {
	Children(ctx context.Context, path string, watch bool) ([]string, proto.Stat, error)
	Exists(ctx context.Context, path string, watch bool) (proto.Stat, error)
	GetConfig(ctx context.Context, watch bool) ([]byte, proto.Stat, error)
}

// Config configures a Completer. Every field is optional.
type Config struct {
	// Tree returns the session's tree, or nil while there is none.
	Tree func() Tree
	// Elsewhere returns how to connect to another ensemble, silently, with nothing of this session's.
	Elsewhere func(l source.Location) (client.Config, error)
	// Servers returns the connect strings and names that can be connected to.
	Servers func() []Suggestion
	// Env has the commands and verbs that a line can start with, and the session that a verb asks.
	Env *command.Env
	// Without is the group whose commands are not suggested.
	Without command.Group
	// Changed is called, on a goroutine of the Completer, when something arrives that an earlier
	// answer lacked.
	Changed func()
	// Guard is deferred by every goroutine of the Completer; it may recover and panic again.
	Guard func()
	// TTL is how long an answer counts as fresh; 0 means 3 s. An older answer is still used while
	// it is looked up again.
	TTL time.Duration
}

// Suggestion is something that can be inserted at the cursor.
type Suggestion struct {
	Text   string // what replaces the word, quoted if needed
	Label  string // what to show
	Help   string // a short description; for a znode see Describe
	Final  bool   // the word is complete: a space may follow
	Path   string // of the znode, or "" for anything else
	Parent bool   // the znode has children, as Describe found
	Open   bool   // its quote stays open: more of the word follows
	place  string // where its Path is, if not in the session's tree
}

// Result is the answer for a line.
type Result struct {
	Start       int // byte of the line where the replaced word starts
	Suggestions []Suggestion
	Total       int    // the number of suggestions; Suggestions holds the first Limit
	Common      string // the common prefix of all of them, quoted if needed
	Pending     bool   // more may arrive: Changed will be called
	Files       bool   // the word is a file name
}

// Limit is the maximum number of suggestions in an answer.
const Limit = 200

// Completer answers from its cache. It is safe for concurrent use.
type Completer struct {
	cfg Config

	mu      sync.Mutex
	arrived chan struct{} // closed when something arrives, and replaced
	levels  map[string]*level
	stats   map[string]*znode
	folders map[string]*folder
	places  map[string]*place // by the location without the path
	config  config
	names   int           // in all levels together
	clock   int           // counts uses, to find the least recent one
	slots   chan struct{} // one per request in flight

	trees sync.Mutex
	verbs map[string]*cobra.Command // those whose words were classified
}

// Limits of the cache and of concurrent requests.
const (
	maxNames  = 2_000_000 // in all levels together
	maxLevels = 1000
	maxStats  = 20_000
	maxFlight = 16
	patience  = 5 * time.Second // for one request
	retry     = time.Second     // after a failure
)

// New returns a Completer with an empty cache.
func New(cfg Config) *Completer {
	if cfg.Env == nil {
		cfg.Env = &command.Env{}
	}
	if cfg.Tree == nil {
		cfg.Tree = func() Tree { return nil }
	}
	if cfg.Servers == nil {
		cfg.Servers = func() []Suggestion { return nil }
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	if cfg.Guard == nil {
		cfg.Guard = func() {}
	}
	if cfg.TTL == 0 {
		cfg.TTL = 3 * time.Second
	}
	c := &Completer{cfg: cfg, arrived: make(chan struct{}), slots: make(chan struct{}, maxFlight), places: map[string]*place{}}
	c.empty()
	return c
}

func (c *Completer) empty() {
	c.levels, c.stats, c.folders, c.names = map[string]*level{}, map[string]*znode{}, map[string]*folder{}, 0
	c.config = config{}
}

// Lookup answers at once from what is known; pos is the cursor's byte in the line, dir the
// current znode. What is missing is looked up in the background.
func (c *Completer) Lookup(line string, pos int, dir string) Result {
	line, pos, moved := c.expand(line, pos)
	words, start, ok := split(line, pos)
	if !ok {
		return Result{}
	}
	r := c.words(words, dir)
	r.quote()
	r.Start = start - moved
	return r
}

// expand replaces the alias of a line, unless the cursor is in it; moved is how far the cursor has moved.
func (c *Completer) expand(line string, pos int) (text string, to, moved int) {
	text, at, grown := c.cfg.Env.Expand(line)
	if at == 0 || pos <= at {
		return line, pos, 0
	}
	return text, pos + grown, grown
}

// Complete answers once everything has arrived, or with what there is when ctx is done. The
// znodes of a short answer are described.
func (c *Completer) Complete(ctx context.Context, line string, pos int, dir string) Result {
	return c.await(ctx, func() Result { return c.Lookup(line, pos, dir) })
}

// CompleteWords is Complete for a shell that has already split the line and resolved quotes: args
// are the words before the cursor, starting with the command's name, and word is the one at the
// cursor. Texts are not quoted.
func (c *Completer) CompleteWords(ctx context.Context, args []string, word, dir string) Result {
	words := make([]token, 0, len(args)+1)
	for _, a := range append(args[:len(args):len(args)], word) {
		words = append(words, token{text: a, outer: true})
	}
	return c.await(ctx, func() Result { return c.words(words, dir) })
}

// CompleteFile completes a file name, which follows lead in its word.
func (c *Completer) CompleteFile(ctx context.Context, name, lead string) Result {
	return c.await(ctx, func() Result { return c.files(name, lead) })
}

// CompleteFolder completes a folder name.
func (c *Completer) CompleteFolder(ctx context.Context, name, lead string) Result {
	return c.await(ctx, func() Result { return c.onlyFolders(name, lead) })
}

func (c *Completer) await(ctx context.Context, ask func() Result) Result {
	for {
		c.mu.Lock()
		arrived := c.arrived
		c.mu.Unlock()
		r := ask()
		described := c.Describe(r.Suggestions)
		if !r.Pending && described {
			return r
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return r
		}
	}
}

// announce reports that something arrived.
func (c *Completer) announce() {
	c.mu.Lock()
	close(c.arrived)
	c.arrived = make(chan struct{})
	c.mu.Unlock()
	c.cfg.Changed()
}
