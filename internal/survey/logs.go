package survey

// LogOptions say which logs to read, as the options of zkctl log do.
type LogOptions struct {
	Files        []string
	Since, Until string
	Zones        []string // --tz
	Dates        []string // --dates
	AsLogged     bool
	Top          int // how many causes and unknown shapes are listed
}

// Logs holds the numbers of the text logs of servers and clients.
type Logs struct {
	Logs    int
	Bytes   int64
	Unclear int64    // lines whose date can be read in several ways
	Back    int64    // how often the time of a log goes back
	BackAt  LogCount // where that is first: from Last to First
	All     LogCount
	Levels  []Named // the least severe first
	Members []Named // by id
	Phrases []Phrase
	// Causes of exceptions, and Unknown messages by their shape: the most frequent, and how many there are in all.
	Causes, Unknown   []LogCount
	CausesN, UnknownN int
	Clocks            []Clock
	Levelled          []Bucket[Severity]
	LevelledSeconds   int64
	Moments           []Moment
	MomentsN          int64 // before those that follow each other were joined
	Elections         []Election
	ElectionsN        int
	Sessions          Sessions
	Delays            []Delay
	Failed            bool     // something could not be read; Notes say what
	Notes             []string // warnings and errors about the files
}

// LogCount is how often something was logged, and when. First and Last are 0 if it was never logged with a time.
type LogCount struct {
	Key         string
	N           int64
	First, Last int64
	Timed       bool
	File        string // of the first
	Line        int64
	Sample      string
}

// Named is a number with its name.
type Named struct {
	Name string
	N    int64
}

// Phrase is a phrase of the catalogue that was logged.
type Phrase struct {
	LogCount
	Kind, Rank, Means, Do string
}

// Clock is how far the clock of a log is ahead of the reference's.
type Clock struct {
	Log, Member, Text string
	Known, Reference  bool
	Skew, Within      int64
	Corrected         bool
}

// Severity counts what was logged in an interval.
type Severity struct {
	Info, Warn, Error int64 // INFO and below, WARN, ERROR and above
}

// Add adds another interval.
func (s *Severity) Add(other *Severity) {
	s.Info += other.Info
	s.Warn += other.Warn
	s.Error += other.Error
}

// Moment is something that matters, at a time; N counts how often it repeated until then.
type Moment struct {
	Time, Until int64
	Log         string // server 3, or the name of the log
	File        string
	Line        int64
	Problem     bool
	Phrase      string
	Text        string
	Cause       string // of an exception
	N           int64
}

// Election is an election and its outcome.
type Election struct {
	Title      string // without its number
	Result     string // elected, joined or none
	Leader     string
	Serving    string // the leader while others looked for one in vain
	Start, End int64  // End is when there was a quorum, or the last known time
	LostFrom   int64  // start of the time without service
	LostUntil  int64  // its end; 0 if unknown
	Rows       [][2]string
	Lookers    []Looker
}

// Looker is a server that took part.
type Looker struct {
	Server      string
	From, Until int64 // Until is 0 if it never found a leader
	Role        string
}

// End is a way in which sessions ended.
type End struct {
	Name, Means string
	N           int
}

// Sessions holds the numbers of the sessions that logs mention.
type Sessions struct {
	N            int
	More         int64 // events of further sessions, which are not tracked one by one
	Ends         []End
	Churn        []Bucket[LogChurn]
	ChurnSeconds int64
	Clients      []Client // those with the most sessions
	ClientsN     int
	Bad          []Session // that ended badly
	BadN         int
}

// LogChurn is how sessions come and go in an interval.
type LogChurn struct {
	Established, Closed, Expired, Lost int64 // lost, or gone
}

// Add adds another interval.
func (c *LogChurn) Add(other *LogChurn) {
	c.Established += other.Established
	c.Closed += other.Closed
	c.Expired += other.Expired
	c.Lost += other.Lost
}

// Client is a client with what its sessions add up to.
type Client struct {
	Name                                     string
	Sessions, Expired, Unasked, Gone, Closed int
	Moved, Lost, Connections                 int
	Shortest                                 int64 // life of a session, 0 if unknown
}

// Session is one session.
type Session struct {
	ID, Client, Servers, End string
	Timeout                  int64
	First, Ended             int64 // 0 if unknown
}

// Delay is how long one kind of thing took.
type Delay struct {
	What        string // fsync, pause, …
	N           int64
	Median, P99 int64
	Most        int64
	MostAt      int64 // 0 if unknown
	MostLog     string
	Over        []Bucket[int64] // the longest in each interval
	Seconds     int64
}
