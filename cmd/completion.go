package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/completions/outer"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/sasl/login"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/ui"
)

// completionPatience is how long Tab in the outer shell may wait for the server.
const completionPatience = time.Second

// completionVerb prints the script that makes an outer shell ask zkctl __complete.
func (a *app) completionVerb() command.Verb {
	return command.Verb{
		Name: "completion", Short: "print the completion script for your shell", Group: command.Other, Outside: true,
		New: func(*command.Env) *cobra.Command {
			return &cobra.Command{
				Use: "completion bash|zsh|fish|powershell",
				Long: `Print the script that lets your shell complete zkctl's commands, options and
znode paths. It gets the paths from the server.`,
				Example: `  # in this bash only, then in every new one
  source <(zkctl completion bash)
  zkctl completion bash > ~/.local/share/bash-completion/completions/zkctl
  # in this zsh only, then in every new one
  source <(zkctl completion zsh)
  zkctl completion zsh > "${fpath[1]}/_zkctl"
  zkctl completion fish > ~/.config/fish/completions/zkctl.fish
  zkctl completion powershell | Out-String | Invoke-Expression`,
				DisableFlagsInUseLine: true,
				ValidArgsFunction: func(_ *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
					if len(words) > 0 {
						return nil, cobra.ShellCompDirectiveNoFileComp
					}
					return outer.Shells, cobra.ShellCompDirectiveNoFileComp
				},
				RunE: func(_ *cobra.Command, words []string) error {
					shells := strings.Join(outer.Shells, ", ")
					if len(words) != 1 {
						return fmt.Errorf("missing shell; use one of %s", shells)
					}
					for _, shell := range outer.Shells {
						if shell == words[0] {
							_, err := a.streams.Out.Write(outer.Script(shell))
							return err
						}
					}
					return fmt.Errorf("no completion for %q; use one of %s", words[0], shells)
				},
			}
		},
	}
}

// completeRequest is the hidden verb that the completion scripts call.
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

// candidates returns what can replace word, after words.
func (a *app) candidates(ctx context.Context, words []string, word string) completions.Result {
	line, _ := splitArgs(a.flags, words)
	for _, option := range line.options {
		_ = a.flags.Parse([]string{option}) // a wrong option must not hide the others
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
	env := a.env()
	env.Session = a.quietSession()
	defer env.Session.Close()
	c := completions.New(completions.Config{
		Env: env, Servers: a.nameable, Without: command.ShellCmd, Elsewhere: a.elsewhereSilently(env.Session),
		Tree: func() completions.Tree {
			if conn, err := env.Session.Conn(); err == nil {
				return conn
			}
			return nil
		},
	})
	defer c.Close()
	return c.CompleteWords(ctx, line.words, word, "/")
}

// quietSession returns the session that the options describe. It starts no server and prints
// nothing.
func (a *app) quietSession() *session.Session {
	quiet := *a.streams
	quiet.Err = io.Discard
	a.streams = &quiet
	return a.session(func() error {
		if err := a.options.settle(a.flags, &quiet); err != nil {
			return err
		}
		return a.options.resolve(a.flags)
	})
}

// optionNames completes an option name, with as many dashes as were typed.
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

// optionValue completes an option's value; lead is the part of the word before it.
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
	case "guard":
		all = fixed(client.GuardLevels...)
	case "prompt-color":
		all = fixed(promptColors...)
	case "sasl":
		all = fixed(login.Modes...)
	case "tls-keystore-type", "tls-truststore-type":
		all = fixed("PEM", "PKCS12", "JKS")
	case "auth":
		all = fixed("digest:", "x509:")
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

// profiles returns the names in the config file.
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
