package answer

// Command is a command of an AdminServer. A server may have others.
type Command struct {
	Name, Short string
	Changes     bool // needs confirmation
	Identity    bool // requires one
}

// Commands are the commands of 3.9, sorted.
var Commands = []Command{
	{Name: "configuration", Short: "the configuration"},
	{Name: "connection_stat_reset", Short: "reset the statistics of the connections", Changes: true},
	{Name: "connections", Short: "the connections of clients"},
	{Name: "dirs", Short: "the size of logs and snapshots in bytes"},
	{Name: "dump", Short: "sessions and ephemeral znodes"},
	{Name: "environment", Short: "the Java runtime and the machine"},
	{Name: "get_trace_mask", Short: "the trace mask"},
	{Name: "hash", Short: "digests of the tree"},
	{Name: "initial_configuration", Short: "the configuration that the member was started with"},
	{Name: "is_read_only", Short: "whether the member is read-only"},
	{Name: "last_snapshot", Short: "the newest snapshot"},
	{Name: "leader", Short: "who leads"},
	{Name: "monitor", Short: "the metrics"},
	{Name: "observer_connection_stat_reset", Short: "reset the statistics of the observers", Changes: true},
	{Name: "observers", Short: "the observers of this member"},
	{Name: "restore", Short: "replace all znodes by those of a snapshot", Changes: true, Identity: true},
	{Name: "ruok", Short: "whether the process runs"},
	{Name: "server_stats", Short: "the server"},
	{Name: "set_trace_mask", Short: "set the trace mask", Changes: true},
	{Name: "shed_connections", Short: "close a part of the clients' connections", Changes: true, Identity: true},
	{Name: "snapshot", Short: "take a snapshot and send it", Identity: true},
	{Name: "stat_reset", Short: "reset the server's statistics", Changes: true},
	{Name: "stats", Short: "the server and its connections"},
	{Name: "system_properties", Short: "the properties of the Java process"},
	{Name: "voting_view", Short: "the members that vote"},
	{Name: "watch_summary", Short: "the number of watches"},
	{Name: "watches", Short: "watches, by session"},
	{Name: "watches_by_path", Short: "watches, by path"},
	{Name: "zabstate", Short: "the member's state in the broadcast protocol"},
}

// commandAliases are the short names that are not four-letter words.
var commandAliases = map[string]string{
	"config": "configuration",
	"crst":   "connection_stat_reset",
	"srst":   "stat_reset",
	"stmk":   "set_trace_mask",
	"orst":   "observer_connection_stat_reset",
	"rest":   "restore",
	"shed":   "shed_connections",
	"snap":   "snapshot",
}

// CommandOf finds a command by its name, its short name or its four-letter word, or returns nil.
func CommandOf(name string) *Command {
	if full, ok := commandAliases[name]; ok {
		name = full
	} else if w := WordOf(name); w != nil && w.Command != "" {
		name = w.Command
	}
	for i := range Commands {
		if Commands[i].Name == name {
			return &Commands[i]
		}
	}
	return nil
}
