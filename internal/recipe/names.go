// Package recipe has ZooKeeper's recipes as other clients do them: locks and elections, and how services register.
//
//	names.go      contenders for locks by their names: Curator's, kazoo's, ours and others'
//	state.go      who holds a lock, and who waits
//	lock.go       being a contender: one that all of them respect
//	hold.go       noticing in time that a lock may be lost
//	services.go   registrations of services, in the layouts of many projects
//
// Sources: Curator's StandardLockInternalsDriver, InterProcessReadWriteLock and LeaderLatch; kazoo's recipe/lock.py.
package recipe

import (
	"strconv"
	"strings"
)

// Role is what a contender wants, or what a holder has.
type Role string

// Roles.
const (
	Exclusive Role = "lock"   // nobody else
	Write     Role = "write"  // nobody else, neither writers nor readers
	Read      Role = "read"   // no writer
	Leader    Role = "leader" // nobody else
	Lease     Role = "lease"  // one of several
)

// Contender is a znode that stands for a lock or waits for it, as its name says.
type Contender struct {
	Name   string
	ID     string // what comes before the mark: a UUID
	Mark   string // what comes before the number
	Layout string // whose recipe it is
	Role   Role
	Seq    int64 // the number that the server appended
}

// layouts are what comes before the number. A later one is tried if no earlier one fits, so that the longer come first.
var layouts = []struct {
	mark, layout string
	role         Role
}{
	{"__rlock__", "kazoo", Read},
	{"__lock__", "kazoo", Exclusive}, // Lock, WriteLock, Election
	{"-__READ__", "curator", Read},
	{"-__WRIT__", "curator", Write},
	{"-latch-", "curator", Leader},   // LeaderLatch
	{"-lease-", "curator", Lease},    // InterProcessSemaphoreV2
	{"-lock-", "curator", Exclusive}, // InterProcessMutex, LeaderSelector; also go-zookeeper's Lock
	{"LOCK-EXCLUSIVE-", "hive", Write},
	{"LOCK-SHARED-", "hive", Read},
	{"-n_", "solr", Leader},
	{"lock-", "curator", Exclusive}, // without protection
	{"latch-", "curator", Leader},
}

// zookeeperMark begins the names of contenders of Apache's own recipe (WriteLock in zookeeper-recipes-lock): the session in decimal follows.
const zookeeperMark = "x-"

// ours begins the names of zkctl's own contenders, with a mark of kazoo's that none of kazoo's has after it.
const ours = "_c_"

// sequence returns the number at the end of a sequential znode's name, and what comes before it.
func sequence(name string) (before string, seq int64, ok bool) {
	const digits = 10
	i := len(name) - digits
	if i < 0 {
		return "", 0, false
	}
	for _, c := range []byte(name[i:]) {
		if c < '0' || c > '9' {
			return "", 0, false
		}
	}
	seq, _ = strconv.ParseInt(name[i:], 10, 64)
	return name[:i], seq, true
}

// ParseName reads the name of a contender in one of the known layouts.
func ParseName(name string) (c Contender, ok bool) {
	before, seq, ok := sequence(name)
	if !ok {
		return c, false
	}
	c = Contender{Name: name, Seq: seq}
	if id, is := strings.CutSuffix(strings.TrimPrefix(before, zookeeperMark), "-"); is && strings.HasPrefix(before, zookeeperMark) && digits(strings.TrimPrefix(id, "-")) {
		c.ID, c.Mark, c.Layout, c.Role = id, zookeeperMark, "zookeeper", Exclusive
		return c, true
	}
	for _, l := range layouts {
		if id, is := strings.CutSuffix(before, l.mark); is {
			c.ID, c.Mark, c.Layout, c.Role = strings.TrimPrefix(id, ours), l.mark, l.layout, l.role
			if strings.HasPrefix(id, ours) && l.mark == kazooMark {
				c.Layout = "zkctl"
			}
			return c, true
		}
	}
	return c, false
}
