package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/completions/outer"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// completionPatience is how long a Tab in the outer shell may wait for the server.
const completionPatience = time.Second

// completionCommand prints the script that makes an outer shell ask zkctl __complete.
func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "print the completion script for your shell",
		Long: `Print the script that lets your shell complete zkctl's commands,
options and the paths of znodes, which it asks the server for.`,
		Example: `  source <(zkctl completion bash)       now, in bash
  zkctl completion bash > ~/.local/share/bash-completion/completions/zkctl
  source <(zkctl completion zsh)        now, in zsh
  zkctl completion zsh > "${fpath[1]}/_zkctl"
  zkctl completion fish > ~/.config/fish/completions/zkctl.fish
  zkctl completion powershell | Out-String | Invoke-Expression`,
		DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, words []string) error {
			if a.options.Help {
				return c.Help()
			}
			shells := strings.Join(outer.Shells, ", ")
			if len(words) != 1 {
				return fmt.Errorf("completion takes one word, the shell: %s", shells)
			}
			for _, shell := range outer.Shells {
				if shell == words[0] {
					_, err := a.streams.Out.Write(outer.Script(shell))
					return err
				}
			}
			return fmt.Errorf("no completion for %q; there is one for %s", words[0], shells)
		},
	}
}

// completeRequest is the hidden verb by which the completion scripts ask.
const completeRequest = "__complete"

// complete answers a completion script.
func (a *app) complete(ctx context.Context, args []string) error {
	request, ok := outer.ParseRequest(args, os.LookupEnv)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completionPatience)
	defer cancel()
	if request.File {
		return request.Answer(a.streams.Out, completions.New(completions.Config{}).CompleteFile(ctx, request.Word, ""))
	}
	return request.Answer(a.streams.Out, a.candidates(ctx, request.Words[1:], request.Word))
}

// candidates is what can stand in place of word, behind words.
func (a *app) candidates(ctx context.Context, words []string, word string) completions.Result {
	line, _ := splitArgs(a.flags, words)
	for _, option := range line.options {
		_ = a.flags.Parse([]string{option}) // one that is wrong hides no other
	}
	name, value, hasValue := strings.Cut(word, "=")
	switch {
	case line.pending != "":
		return a.optionValue(ctx, a.flags.Lookup(line.pending), word, "")
	case len(line.words) == 0 && strings.HasPrefix(word, "-") && hasValue:
		flag, _ := findFlag(a.flags, name)
		return a.optionValue(ctx, flag, value, name+"=")
	case len(line.words) == 0 && strings.HasPrefix(word, "-"):
		return a.optionNames(word)
	}
	cfg := completions.Config{Servers: a.nameable, Verbs: a.completedVerbs(), Without: command.ShellCmd}
	if len(line.words) > 0 && commands.All.Lookup(line.words[0]) != nil {
		if session := a.quietSession(); session != nil {
			defer session.Close()
			cfg.Tree = func() completions.Tree {
				conn, err := session.Conn()
				if err != nil {
					return nil
				}
				return conn
			}
		}
	}
	return completions.New(cfg).CompleteWords(ctx, line.words, word, "/")
}

// quietSession is the session that the options describe, nil when they describe none.
func (a *app) quietSession() *session.Session {
	quiet := *a.streams
	quiet.Err = io.Discard
	a.streams = &quiet
	if a.options.settle(a.flags, &quiet) != nil {
		return nil
	}
	var err error
	name := a.options.Server
	if a.options.Server, err = localHome().Resolve(name); err != nil {
		return nil
	}
	a.options.ours = a.options.Server != name
	_, session, err := a.environment()
	if err != nil {
		return nil
	}
	return session
}

// completedVerbs are the verbs besides the znode commands.
func (a *app) completedVerbs() []completions.Verb {
	constructors := append([]verb.Constructor{
		func(*ui.Streams) *cobra.Command { return a.localCommand() },
		func(*ui.Streams) *cobra.Command { return a.serverCommand() },
	}, slices.Concat(a.ensembleVerbs(), offlineVerbs)...)
	var verbs []completions.Verb
	for _, construct := range constructors {
		verbs = append(verbs, completions.NewVerb(construct))
	}
	completion := a.completionCommand()
	return append(verbs, completions.Verb{
		Name: completion.Name(), Short: completion.Short,
		Complete: func(words []string, _ string) (list []completions.Suggestion, _ verb.Place) {
			if len(words) == 0 {
				list = fixed(outer.Shells...)
			}
			return list, verb.Nothing
		},
	})
}

// optionNames completes an option's name, with as many dashes as were typed.
func (a *app) optionNames(word string) completions.Result {
	dashes := "-"
	if strings.HasPrefix(word, "--") {
		dashes = "--"
	}
	var all []completions.Suggestion
	a.flags.VisitAll(func(f *pflag.Flag) {
		_, usage := pflag.UnquoteUsage(f)
		all = append(all, completions.Suggestion{Text: dashes + f.Name, Help: usage, Final: true})
	})
	return completions.Among(all, word, "")
}

// optionValue completes what an option takes; lead is the part of the word before it.
func (a *app) optionValue(ctx context.Context, f *pflag.Flag, word, lead string) completions.Result {
	if f == nil {
		return completions.Result{}
	}
	var all []completions.Suggestion
	switch f.Name {
	case "server":
		all = a.connectable()
	case "profile":
		all = a.profiles()
	case "output":
		all = fixed(string(ui.Text), string(ui.JSON))
	case "color":
		all = fixed("auto", "always", "never")
	case "tls-keystore-type", "tls-truststore-type":
		all = fixed("PEM", "PKCS12", "JKS")
	case "auth":
		all = fixed("digest:", "x509:", "sasl:")
		for i := range all {
			all[i].Final = false
		}
	}
	switch value, _ := pflag.UnquoteUsage(f); value {
	case "file":
		return completions.New(completions.Config{}).CompleteFile(ctx, word, lead)
	case "folder":
		return completions.New(completions.Config{}).CompleteFolder(ctx, word, lead)
	}
	return completions.Among(all, word, lead)
}

func fixed(values ...string) (list []completions.Suggestion) {
	for _, v := range values {
		list = append(list, completions.Suggestion{Text: v, Final: true})
	}
	return list
}

// profiles are the names in the config file.
func (a *app) profiles() []completions.Suggestion {
	if fillFromEnv(a.flags) != nil {
		return nil
	}
	c, err := a.options.readConfig()
	if err != nil {
		return nil
	}
	return fixed(c.names()...)
}
