package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/ensemble"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/verb"
)

// ensembleGroup is what help calls the verbs that ask members of an ensemble.
const ensembleGroup = "Ensembles"

// ensembleVerbs look at an ensemble from outside.
func (a *app) ensembleVerbs() (list []verb.Constructor) {
	for _, construct := range []func(*ui.Streams, ensemble.Connect) *cobra.Command{
		ensemble.NewCommand, ensemble.NewWordCommand, ensemble.NewAdminCommand, ensemble.NewSessionCommand,
	} {
		list = append(list, func(s *ui.Streams) *cobra.Command { return construct(s, a.connectTo) })
	}
	return list
}

// addEnsembleVerbs adds the verbs to the tree.
func (a *app) addEnsembleVerbs() {
	for _, construct := range a.ensembleVerbs() {
		a.addVerb(construct(a.streams), ensembleGroup)
	}
}

// connectTo is how the verbs reach the servers that the options name.
func (a *app) connectTo(ctx context.Context) (client.Config, func(), error) {
	stop, err := a.settle(ctx, false)
	if err != nil {
		return client.Config{}, nil, err
	}
	cfg, err := a.options.session(a.flags, a.streams)
	if err != nil {
		stop()
		return client.Config{}, nil, err
	}
	return cfg, stop, nil
}
