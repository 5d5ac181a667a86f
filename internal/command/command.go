// Package command defines what a command is: how a line becomes words, options and arguments,
// what kinds of values there are, how help is printed, how a command runs and what its errors say.
// There are two kinds, which run and complete the same way on the command line and in the shell:
//
//   - A [Command] works on znodes and takes its options as zkCli does. They are in package commands.
//   - A [Verb] is a tree of cobra commands with its own subcommands. They are in other rooms.
//
// A room adds a verb by declaring it, and by its name in the list in cmd/verbs.go:
//
//	var Verb = command.Verb{
//		Name: "find", Short: "find znodes by name, data or age", Group: command.Reading,
//		New: func(env *command.Env) *cobra.Command {
//			return &cobra.Command{Use: "find PATH", ValidArgsFunction: command.Takes(command.Path, 0, 0), RunE: …}
//		},
//	}
//
// It prints to env.Streams, and uses env.Conn() or, to reach the servers in another way,
// env.Session.Config(). A znode path that it is given becomes absolute with [Absolute] and env.Dir.
package command

import (
	"context"

	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

// Kind says what an argument or an option's value is, so that it can be completed.
type Kind int

// The kinds of values.
const (
	Any         Kind = iota
	Path             // a znode path, absolute or relative, possibly a glob
	NewPath          // a znode path that need not exist
	Location         // where znodes are: a znode path, NAME:/path, zk://…, file:…
	Data             // text, @file, or - for standard input
	ACLs             // scheme:id:perms,…
	AuthScheme       // digest, ip, …
	File             // a local file
	Folder           // a folder of the local system
	Servers          // a connect string
	CommandName      // the name of a command
	Operation        // of multi: a line, or words up to a ;
	Line             // the words of another command
	Members          // servers of an ensemble, server.N=…,…
	MemberIDs        // N,…
	Choice           // one of the Values
	Number
)

// Arg is a positional argument.
type Arg struct {
	Name     string
	Kind     Kind
	Values   []string // of a Choice
	Optional bool
	Repeat   bool // the last one only
	Old      bool // an old form that is still accepted; help and completion omit it
	Help     string
}

// Example is a line a person could type, and what it does.
type Example [2]string

// Group orders commands in the list that help prints.
type Group string

// The groups, in the order of the list.
const (
	Reading   Group = "Reading znodes"
	Writing   Group = "Writing znodes"
	Moving    Group = "Copies, exports and backups"
	ACLGroup  Group = "Access control and identity"
	Quotas    Group = "Quotas"
	Watches   Group = "Watches"
	Waiting   Group = "Waiting and locks"
	Ensemble  Group = "Ensemble and session"
	Ensembles Group = "Ensembles"
	Local     Group = "Servers on this machine"
	Offline   Group = "Offline"
	ShellCmd  Group = "Shell"
	Other     Group = "Other commands"
)

// Command is one command.
type Command struct {
	Name     string   // as ZooKeeper writes it; typed in any case
	Aliases  []string // old names
	Group    Group
	Usage    string // options and arguments, as zkCli prints them
	Short    string // one line
	Long     string // more, if one line is not enough
	Options  Options
	Args     []Arg
	Examples []Example
	Differs  string // how it differs from zkCli's, for help
	// Verbatim says that options end at the first argument: what follows has its own options.
	Verbatim bool
	// Dashed reports whether a word that begins with a dash is an argument, and no option.
	Dashed func(word string) bool
	// Operations are what an argument of the kind Operation begins with.
	Operations Set
	// Nameless reports whether a path may end with a slash: the server appends the name.
	Nameless func(in *Invocation) bool
	// Secret says that arguments are credentials: neither errors nor the history repeat them.
	Secret bool
	// Predicate commands answer yes or no with their exit code; if they cannot tell, it is 2. Exits say what that means,
	// and are nil for the others.
	Predicate bool
	Exits     Exits
	// Offline commands run without a session.
	Offline bool
	Run     func(ctx context.Context, env *Env, in *Invocation) error
}

// Shell is what commands need from the shell. It is nil outside a shell.
type Shell interface {
	// History returns the lines typed so far, oldest first, and the number of the first.
	History() (lines []string, first int)
	// Redo runs the line with that number again.
	Redo(ctx context.Context, number int) error
	// Source runs the lines of a file, up to the first error.
	Source(ctx context.Context, file string) error
	// Quit ends the shell after this command.
	Quit()
}

// Env is what a command may use besides its arguments.
type Env struct {
	Streams  *ui.Streams
	Commands Set              // those that can be run
	Session  *session.Session // nil if there is none
	Shell    Shell            // nil outside a shell
	Dir      string           // the current znode, where relative paths start
	Before   string           // the current znode before the last cd, for cd -
	Output   ui.Format        // of this command
	Yes      bool             // do not ask for confirmation
	Quiet    bool             // do not report success
	Verbs    []Verb           // run in addition to the commands
	StateDir string           // for what outlives a run; the system's folder for temporary files if it is empty
	Aliases  []Alias          // of the shell
	Outside  []string         // what zkctl only runs outside the shell
}
