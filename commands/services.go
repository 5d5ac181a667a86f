package commands

import (
	"context"
	"io"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/recipe"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

var servicesCommand = &command.Command{
	Name: "services", Group: command.Waiting, Usage: "[location] [--rate N]",
	Short: "list which services are registered, and by whom",
	Long: "Finds registrations below a location: those of Curator's service discovery, Kyuubi, HiveServer2, Kafka, Solr, Dubbo, HBase, ClickHouse, " +
		"Finagle's server sets, and ephemeral znodes that are named by an address. Prints for each the service, its address, the session that " +
		"registered it and, if the servers tell it, that session's client. A location is a znode path, NAME:/path, zk://host:port/path, or " +
		"file:PATH[@ZXID|@TIME][:/path].",
	Options: command.Options{readRate},
	Args:    []command.Arg{locationArg},
	Examples: []command.Example{
		{"services /", "all of them"},
		{"services /kyuubi -o json", "with all that is known"},
		{"services file:version-2@2h:/brokers", "which brokers there were two hours ago"},
	},
	Run: runServices,
}

// serviceJSON is a registration in JSON. ctime is in ms since 1970.
type serviceJSON struct {
	Layout  string `json:"layout"`
	Service string `json:"service"`
	ID      string `json:"id,omitempty"`
	Address string `json:"address,omitempty"`
	Version string `json:"version,omitempty"`
	pathJSON
	Session string `json:"session,omitempty"`
	Client  string `json:"client,omitempty"`
	Ctime   int64  `json:"ctime"`
}

func runServices(ctx context.Context, env *command.Env, in *command.Invocation) error {
	opt := source.Options{Data: true}
	if err := value(in, readRate, 0, &opt.Rate); err != nil {
		return err
	}
	src, err := env.Open(in, 0)
	if err != nil {
		return err
	}
	defer src.Close()
	var registry recipe.Registry
	var all []recipe.Service
	owners := newOwners()
	missing, err := walkLocation(ctx, env, src, opt, func(z *source.Znode) error {
		if s, ok := registry.Read(z.Path, z.Data, z.Stat); ok {
			all = append(all, s)
			owners.add(z.Stat)
		}
		return nil
	})
	if err != nil {
		return walked(ctx, missing, err, "nothing was printed")
	}
	owners.ask(ctx, env, src.Location)
	if env.Output == ui.JSON {
		out := newLines(env)
		for _, s := range all {
			j := serviceJSON{s.Layout, s.Name, s.ID, s.Address, s.Version, jsonPath(s.Path), "", owners.client(s.Stat), s.Stat.Ctime}
			if isSession(s.Stat) {
				j.Session = sessionText(s.Stat)
			}
			_ = out.object(j) // Flush returns the error
		}
		err = out.Flush()
	} else {
		err = printServices(env, all, owners)
	}
	if err == nil {
		err = missing
	}
	return err
}

func printServices(env *command.Env, all []recipe.Service, owners *owners) error {
	if len(all) == 0 {
		env.Note("no registrations were found")
		return nil
	}
	s := env.Streams
	rows := [][]string{{"SERVICE", "ADDRESS", "SESSION", "CLIENT", "FOR", "ID", "VERSION", "LAYOUT"}}
	for _, r := range all {
		rows = append(rows, []string{s.Name(r.Name), s.Name(r.Address), sessionText(r.Stat), s.Name(owners.client(r.Stat)), since(r.Stat.Ctime),
			s.Name(r.ID), s.Name(r.Version), r.Layout})
	}
	_, err := io.WriteString(s.Out, ui.Table(columns(s, rows, "ID", "VERSION", "FOR", "LAYOUT", "CLIENT", "SESSION")))
	owners.note(env)
	return err
}
