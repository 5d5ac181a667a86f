package answer

// Word is a four-letter word, with the equivalent AdminServer command, and the parsers of both answers.
type Word struct {
	Name    string
	Command string // "" if there is none
	Short   string
	Changes bool // needs confirmation
	Heavy   bool // may list millions of lines
	Pairs   bool // names with values, which --columns can show side by side

	text  func([]byte) (any, error)
	admin func(Object) any
}

func parser[T any](parse func([]byte) (T, error)) func([]byte) (any, error) {
	return func(text []byte) (any, error) {
		v, err := parse(text)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
}

func reader[T any](read func(Object) T) func(Object) any {
	return func(o Object) any { return read(o) }
}

func plain(text []byte) (any, error) { return string(text), nil }

// Words are all four-letter words, sorted.
var Words = []Word{
	{Name: "conf", Command: "configuration", Short: "the configuration", Pairs: true, text: parser(ParseSettings), admin: reader(Object.Settings)},
	{Name: "cons", Command: "connections", Short: "the connections", text: parser(ParseCons), admin: reader(Object.Connections)},
	{Name: "crst", Command: "connection_stat_reset", Short: "reset the statistics of the connections", Changes: true, text: plain},
	{Name: "dirs", Command: "dirs", Short: "the size of logs and snapshots", Pairs: true, text: parser(ParseDirs), admin: reader(Object.Dirs)},
	{Name: "dump", Command: "dump", Short: "sessions and ephemeral znodes", Heavy: true, text: parser(ParseDump), admin: reader(Object.Dump)},
	{Name: "envi", Command: "environment", Short: "the Java runtime and the machine", Pairs: true, text: parser(ParseSettings), admin: reader(Object.Settings)},
	{Name: "gtmk", Command: "get_trace_mask", Short: "the trace mask", text: parser(ParseGtmk), admin: func(o Object) any { return o.int("tracemask") }},
	{Name: "hash", Command: "hash", Short: "digests of the tree", text: parser(ParseHash), admin: reader(Object.Digests)},
	{Name: "isro", Command: "is_read_only", Short: "whether the member is read-only", text: parser(ParseIsro), admin: func(o Object) any {
		if o.flag("read_only").Or(false) {
			return "ro"
		}
		return "rw"
	}},
	{Name: "mntr", Command: "monitor", Short: "the metrics", Pairs: true, text: parser(ParseMntr), admin: reader(Object.Metrics)},
	{Name: "ruok", Command: "ruok", Short: "whether the process runs", text: plain, admin: func(Object) any { return "imok" }},
	{Name: "srst", Command: "stat_reset", Short: "reset the server's statistics", Changes: true, text: plain},
	{Name: "srvr", Command: "server_stats", Short: "the server", Pairs: true, text: parser(ParseSrvr), admin: reader(Object.Srvr)},
	{Name: "stat", Command: "stats", Short: "the server and its connections", text: parser(ParseSrvr), admin: reader(Object.Srvr)},
	{Name: "stmk", Short: "set the trace mask", Changes: true, text: parser(ParseGtmk)},
	{Name: "wchc", Command: "watches", Short: "watches, by session", Heavy: true, text: parser(ParseWchc), admin: reader(Object.WatchesBySession)},
	{Name: "wchp", Command: "watches_by_path", Short: "watches, by path", Heavy: true, text: parser(ParseWchp), admin: reader(Object.WatchesByPath)},
	{Name: "wchs", Command: "watch_summary", Short: "the number of watches", text: parser(ParseWchs), admin: reader(Object.WatchSummary)},
}

// WordOf finds a word by its name, or returns nil.
func WordOf(name string) *Word {
	for i := range Words {
		if Words[i].Name == name {
			return &Words[i]
		}
	}
	return nil
}

// Text parses the answer to the word into a value for JSON.
func (w *Word) Text(answer []byte) (any, error) { return w.text(answer) }

// Admin parses the answer to the word's command into the same type of value.
func (w *Word) Admin(o Object) any {
	if w.admin == nil {
		return nil
	}
	return w.admin(o)
}
