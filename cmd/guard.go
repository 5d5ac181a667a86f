package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/zkctl/zkctl/internal/client"
)

// promptColors are the colours that a prompt can give to a profile's name.
var promptColors = []string{"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"}

// promptColor is an option's value.
type promptColor string

func (c *promptColor) String() string { return string(*c) }
func (*promptColor) Type() string     { return "color" }

// Set accepts the name of a colour.
func (c *promptColor) Set(text string) error {
	if !slices.Contains(promptColors, text) {
		return fmt.Errorf("use %s", strings.Join(promptColors, ", "))
	}
	*c = promptColor(text)
	return nil
}

// guarded is a profile that says something about harm, and where its ensemble is.
type guarded struct {
	client.Guard
	addresses []client.Address
}

// guards reads what the profiles say about harm. A profile counts for each server that it names, whoever connects to it.
func (c *config) guards() (list []guarded, err error) {
	for _, name := range c.names() {
		o := &options{}
		all, flags := o.flags(), pflag.NewFlagSet("", pflag.ContinueOnError)
		for _, key := range []string{"guard", "prompt-color", "server"} {
			flags.AddFlag(all.Lookup(key))
		}
		if err := c.fillKnown(flags, name); err != nil {
			return nil, err
		}
		g := guarded{Guard: client.Guard{Level: o.Guard, Profile: name, Color: string(o.PromptColor), Own: flags.Changed("guard")}}
		if !g.Shown() && !g.Own {
			continue
		}
		g.addresses, _, _ = client.ParseServers(localHome().Addresses(o.Server)) // what is wrong with them shows when the profile is used
		list = append(list, g)
	}
	return list, nil
}

// guardOf returns the guard of sessions with any of the addresses.
func guardOf(run client.Guard, profiles []guarded, addrs []client.Address) client.Guard {
	g := run
	for _, p := range profiles {
		if slices.ContainsFunc(p.addresses, func(a client.Address) bool { return slices.ContainsFunc(addrs, a.Same) }) {
			one := p.Guard
			one.Own = false
			g = g.Or(one)
		}
	}
	return g
}

// learn notes the guards of a config file, and that of the profile, "" for none, from which the options are filled
// in. run is what the command line or the environment asks for, whatever the profile; the servers are moved if they
// are not the profile's.
func (o *options) learn(c *config, profile string, run client.GuardLevel, moved bool) error {
	profiles, err := c.guards()
	if err != nil {
		return err
	}
	o.run = client.Guard{Level: run}
	o.guards = func(addrs []client.Address) client.Guard { return guardOf(o.run, profiles, addrs) }
	o.guard = o.run.Or(client.Guard{Profile: profile, Color: string(o.PromptColor)})
	for _, p := range profiles {
		if p.Profile == profile {
			o.guard = o.guard.Or(p.Guard)
		}
	}
	o.guard.Color = string(o.PromptColor)
	o.guard.Own = o.guard.Own && !moved
	return nil
}

// localGuard returns the guard of a local server: that of the run, or of a profile that names one of its addresses.
func (a *app) localGuard(name string) (client.Guard, error) {
	few := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, option := range []string{"guard", "config"} {
		few.AddFlag(a.flags.Lookup(option))
	}
	if err := fillFromEnv(few); err != nil {
		return client.Guard{}, err
	}
	c, err := a.options.readConfig()
	if err != nil {
		return client.Guard{}, err
	}
	profiles, err := c.guards()
	if err != nil {
		return client.Guard{}, err
	}
	addrs, _, _ := client.ParseServers(localHome().Addresses(name))
	g := guardOf(client.Guard{Level: a.options.Guard}, profiles, addrs)
	g.Servers = name
	return g, nil
}

// allowed returns an error if a guard keeps a change of a local server away.
func (l *localVerb) allowed(ctx context.Context, name, what string) error {
	g, err := l.guard(name)
	if err != nil {
		return err
	}
	return g.Allow(ctx, what, true)
}
