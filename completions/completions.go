// Package completions answers what can come next on a line: commands, options, their
// values, znode paths, servers and files. It asks commands what a command takes and the
// session what exists; neither knows of it. Answers come from a cache, and what is missing
// is fetched in the background.
package completions

import (
	"context"
	"sync"
	"time"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/verb"
)

// Tree is where znodes are looked up; *client.Conn is one.
type Tree interface {
	Children(ctx context.Context, path string, watch bool) ([]string, proto.Stat, error)
	Exists(ctx context.Context, path string, watch bool) (proto.Stat, error)
	GetConfig(ctx context.Context, watch bool) ([]byte, proto.Stat, error)
}

// Config says what a Completer asks. Every field may be left out.
type Config struct {
	// Tree returns the session's tree, or nil while there is none to ask.
	Tree func() Tree
	// Servers returns the connect strings and names that can be connected to.
	Servers func() []Suggestion
	// Verbs are what a line can begin with besides commands.
	Verbs []Verb
	// Without is the group whose commands are not suggested.
	Without command.Group
	// Changed is called, on a goroutine of the Completer, when something arrived that an
	// earlier answer lacked.
	Changed func()
	// Guard is deferred by every goroutine of the Completer; it may recover and panic again.
	Guard func()
	// TTL is how long an answer counts as fresh; 3 s when 0. An older one is still given,
	// while it is looked up again.
	TTL time.Duration
}

// Verb completes its own words.
type Verb struct {
	Name, Short string
	// Complete answers for the word behind words, and says whether a file can stand there.
	Complete func(words []string, word string) (list []Suggestion, place verb.Place)
}

// Suggestion is one thing that can stand at the cursor.
type Suggestion struct {
	Text   string // what replaces the word, quoted where needed
	Label  string // what to show for it
	Help   string // a few words beside it; for a znode see Describe
	Final  bool   // the word is complete with it: a blank may follow
	Path   string // the znode that it stands for, "" for anything else
	Parent bool   // the znode has children, as Describe found
	Open   bool   // its quote is left open: more of the word follows
}

// Result is the answer for a line.
type Result struct {
	Start       int // byte of the line where the word begins that Text replaces
	Suggestions []Suggestion
	Total       int    // how many there are; Suggestions holds the first Limit
	Common      string // what every one of the Total begins with, quoted where needed
	Pending     bool   // more may come: Changed will be called
	Files       bool   // the word is a file's name
}

// Limit is the most suggestions that one answer holds.
const Limit = 200

// Completer answers from its cache. Its methods may be called from any goroutine.
type Completer struct {
	cfg Config

	mu      sync.Mutex
	arrived chan struct{} // closed when something arrives, and replaced
	levels  map[string]*level
	stats   map[string]*znode
	folders map[string]*folder
	config  config
	names   int           // in all levels together
	clock   int           // counts the uses, for the least recent
	slots   chan struct{} // one a request in flight
}

// Bounds of the cache and of what is asked at once.
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
	c := &Completer{cfg: cfg, arrived: make(chan struct{}), slots: make(chan struct{}, maxFlight)}
	c.empty()
	return c
}

func (c *Completer) empty() {
	c.levels, c.stats, c.folders, c.names = map[string]*level{}, map[string]*znode{}, map[string]*folder{}, 0
	c.config = config{}
}

// Lookup answers at once from what is known; pos is the cursor's byte in the line, dir the
// current znode. What is not known is looked up in the background.
func (c *Completer) Lookup(line string, pos int, dir string) Result {
	words, start, ok := split(line, pos)
	if !ok {
		return Result{}
	}
	r := c.words(words, dir)
	r.quote()
	r.Start = start
	return r
}

// Complete answers when everything has arrived, or with what there is when ctx is done. The
// znodes of a short answer are described.
func (c *Completer) Complete(ctx context.Context, line string, pos int, dir string) Result {
	return c.await(ctx, func() Result { return c.Lookup(line, pos, dir) })
}

// CompleteWords is Complete for a shell that has split the line and resolved quotes: args
// are the words before the cursor, the command's name first, and word is the one at the
// cursor. Texts are not quoted.
func (c *Completer) CompleteWords(ctx context.Context, args []string, word, dir string) Result {
	words := make([]token, 0, len(args)+1)
	for _, a := range append(args[:len(args):len(args)], word) {
		words = append(words, token{text: a, outer: true})
	}
	return c.await(ctx, func() Result { return c.words(words, dir) })
}

// CompleteFile completes a file's name, which stands in its word behind lead.
func (c *Completer) CompleteFile(ctx context.Context, name, lead string) Result {
	return c.await(ctx, func() Result { return c.files(name, lead) })
}

// CompleteFolder completes a folder's name.
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

// announce tells that something arrived.
func (c *Completer) announce() {
	c.mu.Lock()
	close(c.arrived)
	c.arrived = make(chan struct{})
	c.mu.Unlock()
	c.cfg.Changed()
}
