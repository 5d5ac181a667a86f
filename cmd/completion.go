package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// completionPatience is how long a Tab in the outer shell may wait for the server.
const completionPatience = time.Second

var outerShells = []string{"bash", "zsh", "fish", "powershell"}

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
		ValidArgs:             outerShells,
		RunE: func(c *cobra.Command, words []string) error {
			if a.options.Help {
				return c.Help()
			}
			if len(words) != 1 {
				return fmt.Errorf("completion takes one word, the shell: %s", strings.Join(outerShells, ", "))
			}
			return a.printCompletionScript(words[0])
		},
	}
}

func (a *app) printCompletionScript(shell string) error {
	var script bytes.Buffer
	var err error
	switch shell {
	case "bash":
		script.WriteString(bashWords)
		err = a.root.GenBashCompletionV2(&script, true)
		script.WriteString(bashColons)
	case "zsh":
		err = a.root.GenZshCompletion(&script)
	case "fish":
		err = a.root.GenFishCompletion(&script, true)
	case "powershell":
		err = a.root.GenPowerShellCompletionWithDesc(&script)
	default:
		err = fmt.Errorf("no completion for %q; there is one for %s", shell, strings.Join(outerShells, ", "))
	}
	if err != nil {
		return err
	}
	_, err = a.streams.Out.Write(script.Bytes())
	return err
}

// bashWords stands in for a function of the package bash-completion, which cobra's script
// calls and which a small system may lack: it undoes that bash splits words at the
// characters of COMP_WORDBREAKS, so that host:2181 is one word.
const bashWords = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
_get_comp_words_by_ref() {
    local i line="${COMP_LINE:0:COMP_POINT}" rest
    words=() cword=-1 rest="$line"
    for ((i = 0; i <= COMP_CWORD; i++)); do
        # A part that no blank separates from the one before belongs to it.
        if ((i > 0)) && [[ $rest != [[:blank:]]* ]] &&
            [[ ${COMP_WORDS[i]} == [:=]* || ${COMP_WORDS[i-1]} == *[:=] ]]; then
            words[cword]+="${COMP_WORDS[i]}"
        else
            ((++cword))
            words[cword]="${COMP_WORDS[i]}"
        fi
        while [[ $rest == [[:blank:]]* ]]; do rest="${rest:1}"; done
        rest="${rest:${#COMP_WORDS[i]}}"
    done
    cur="${words[cword]}" prev=""
    ((cword > 0)) && prev="${words[cword-1]}"
}
fi
`

// bashColons replaces the function of cobra's script that takes off what bash has already
// put before the last : or = of a word. Cobra's takes off one of the two.
const bashColons = `
__zkctl_handle_special_char() {
    [[ $2 == : ]] || return 0
    local before="${1%"${1##*[:=]}"}" i
    for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
        COMPREPLY[i]="${COMPREPLY[i]#"$before"}"
    done
}
`

// complete answers zkctl __complete, by which the completion scripts ask: cobra does, once
// the options are in its form.
func (a *app) complete(ctx context.Context, args []string) error {
	typed := args[1:]
	if len(typed) == 0 {
		return nil
	}
	word := typed[len(typed)-1]
	line, _ := splitArgs(a.flags, typed[:len(typed)-1])
	a.registerOptionValues()
	for _, c := range a.root.Commands() {
		if isVerb(c) {
			verb.PlainUsage(c)
		}
	}
	request := append([]string{args[0]}, line.options...)
	switch {
	case line.pending != "":
		request = append(request, "--"+line.pending, word)
	case len(line.words) > 0:
		a.typed = line.words[0]
		if c := commands.Lookup(line.words[0]); c != nil {
			line.words[0] = c.Name
		}
		line.words = a.normalizeVerb(line.words)
		request = append(append(request, line.words...), word)
	case strings.HasPrefix(word, "-") && !strings.Contains(word, "="):
		return a.completeOptionName(word)
	default:
		request = append(request, word)
	}
	a.root.SetArgs(request)
	a.root.SetErr(io.Discard) // what cobra says about the directive
	return a.root.ExecuteContext(ctx)
}

// completeOptionName answers for a word with one dash or two; cobra knows only two.
func (a *app) completeOptionName(word string) error {
	dashes := "-"
	if strings.HasPrefix(word, "--") {
		dashes = "--"
	}
	a.flags.VisitAll(func(f *pflag.Flag) {
		if name := dashes + f.Name; strings.HasPrefix(name, word) {
			_, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(a.streams.Out, "%s\t%s\n", name, usage)
		}
	})
	_, err := fmt.Fprintf(a.streams.Out, ":%d\n", cobra.ShellCompDirectiveNoFileComp)
	return err
}

// registerOptionValues tells cobra what the options take; files are its default.
func (a *app) registerOptionValues() {
	choice := func(name string, values ...string) {
		_ = a.root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	choice("output", string(ui.Text), string(ui.JSON))
	choice("color", "auto", "always", "never")
	choice("tls-keystore-type", "PEM", "PKCS12", "JKS")
	choice("tls-truststore-type", "PEM", "PKCS12", "JKS")
	choice("timeout")
	choice("jute-maxbuffer")
	choice("tls-keystore-password")
	choice("tls-truststore-password")
	choice("auth", "digest:", "x509:", "sasl:")
	_ = a.root.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if fillFromEnv(a.flags) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		if c, err := a.options.readConfig(); err == nil {
			names = c.names()
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	_ = a.root.RegisterFlagCompletionFunc("server", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return a.knownServers(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
}

// completeZnodeCommand is what can follow a znode command, paths of the server's included.
// It keeps quiet when the server does not answer in time.
func (a *app) completeZnodeCommand(c *cobra.Command, words []string, word string) ([]string, cobra.ShellCompDirective) {
	quiet := *a.streams
	quiet.Err = io.Discard
	a.streams = &quiet
	cfg := completions.Config{Servers: a.knownServers}
	if a.options.settle(a.flags, &quiet) == nil {
		if _, session, err := a.environment(); err == nil {
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
	ctx, cancel := context.WithTimeout(c.Context(), completionPatience)
	defer cancel()
	found := completions.New(cfg).CompleteWords(ctx, append([]string{c.Name()}, words...), word, "/")
	directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	var list []string
	for _, f := range found.Suggestions {
		if !f.Final {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		list = append(list, f.Text+"\t"+f.Help)
	}
	return list, directive
}

// knownServers are the local servers that run, and the connect strings that the shell has seen.
func (a *app) knownServers() []string {
	return append(runningLocals(), completions.SeenServers(stateDir())...)
}
