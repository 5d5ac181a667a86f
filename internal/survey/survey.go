// Package survey holds the numbers that rooms find in the sources of an incident: logs in text logs, logformatter in
// transaction logs, snapshot in snapshots and data directories. report shows them all on one page, which agrees with
// the rooms' verbs because those print the same numbers.
//
//	survey.go    transaction logs and trees
//	logs.go      text logs
//	buckets.go   counts over time, in intervals
//
// Times are milliseconds since 1970 and durations are milliseconds, unless a name says otherwise. Texts are unescaped:
// whoever shows them escapes them.
package survey

// Rows is how many intervals a chart over time has at most.
const Rows = 120

// WriteOptions say which transactions to count.
type WriteOptions struct {
	Files        []string // logs, or data directories
	Since, Until string
	Depth        int // of the names that paths are grouped by
	Top          int // how many paths and sessions are listed
}

// Writes is what transaction logs add up to. Its JSON is what txnlog stats prints.
type Writes struct {
	Bytes         int64        `json:"bytes"` // of the transactions
	CRCErrors     int64        `json:"crcErrors"`
	FileBytes     int64        `json:"fileBytes"`
	Files         int          `json:"files"`
	FirstTime     *int64       `json:"firstTime,omitempty"` // nil without transactions, as are Largest, LastTime and Size
	FirstZxid     string       `json:"firstZxid,omitempty"`
	Largest       *LargestTxn  `json:"largest,omitempty"`
	LastTime      *int64       `json:"lastTime,omitempty"`
	LastZxid      string       `json:"lastZxid,omitempty"`
	OtherPaths    WriteCount   `json:"otherPaths"`
	OtherSessions WriteCount   `json:"otherSessions"`
	Paths         []WriteCount `json:"paths"`
	Rate          WriteRate    `json:"rate"`
	Sessions      []WriteCount `json:"sessions"`
	Size          *TxnSize     `json:"size,omitempty"`
	Txns          int64        `json:"txns"`
	Types         []WriteCount `json:"types"`

	Zxid         int64                `json:"-"` // the last
	Churn        []Bucket[WriteChurn] `json:"-"`
	ChurnSeconds int64                `json:"-"`
	Faults       []error              `json:"-"` // what is wrong with the files
}

// LargestTxn is the largest transaction.
type LargestTxn struct {
	Path string `json:"path"`
	Type string `json:"type"`
	Zxid string `json:"zxid"`
}

// TxnSize are sizes of transactions in bytes.
type TxnSize struct {
	Avg int64 `json:"avg"`
	Max int   `json:"max"`
	Min int   `json:"min"`
}

// WriteCount is how many transactions there are of a path, a session or a type.
type WriteCount struct {
	Path      string `json:"path,omitempty"`
	SessionID string `json:"sessionId,omitempty"`
	ClientID  string `json:"clientId,omitempty"` // the previous name of sessionId, kept for one release
	Type      string `json:"type,omitempty"`
	Txns      int64  `json:"txns"`
	Bytes     int64  `json:"bytes"`
	InMulti   *int64 `json:"inMulti,omitempty"`
}

// WriteRate is how many transactions there are in each interval.
type WriteRate struct {
	Buckets []RateBucket `json:"buckets"`
	Seconds int64        `json:"seconds"`
}

// RateBucket is one interval.
type RateBucket struct {
	Time int64 `json:"time"`
	Txns int64 `json:"txns"`
}

// WriteChurn is how sessions come and go in an interval.
type WriteChurn struct {
	Opened  int64
	Closed  int64 // by a holder of the session: cxid is not 0
	Expired int64 // by the leader, or by an administrator: cxid is 0
}

// Add adds another interval.
func (c *WriteChurn) Add(other *WriteChurn) {
	c.Opened += other.Opened
	c.Closed += other.Closed
	c.Expired += other.Expired
}

// Tree is the size of a tree.
type Tree struct {
	Source     string // the snapshot or the data directory
	Zxid       int64  // -1 if unknown
	Root       Branch
	Ephemerals int64
	Sessions   int64
	Largest    []Branch // the znodes with the most data, not counting their descendants
	Faults     []error  // damage that did not prevent reading the tree
}

// Branch is a znode with everything below it.
type Branch struct {
	Path   string
	Znodes int64 // the znode and those below it
	Bytes  int64 // of their data
	Own    int64 // bytes of the znode's data alone
	// Below holds its largest children. The rest of the branch is its own data and its smaller children.
	Below    []Branch
	Children int64 // of the znode, including those that are not in Below
}
