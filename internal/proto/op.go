package proto

import "strconv"

// Op is an operation code: the type of a request and of a transaction (ZooDefs.OpCode).
type Op int32

// Operation codes. The version is the first release whose server answers it, where that
// is later than 3.4.
const (
	OpNotification         Op = 0
	OpCreate               Op = 1
	OpDelete               Op = 2
	OpExists               Op = 3
	OpGetData              Op = 4
	OpSetData              Op = 5
	OpGetACL               Op = 6
	OpSetACL               Op = 7
	OpGetChildren          Op = 8
	OpSync                 Op = 9
	OpPing                 Op = 11
	OpGetChildren2         Op = 12
	OpCheck                Op = 13
	OpMulti                Op = 14
	OpCreate2              Op = 15 // 3.5
	OpReconfig             Op = 16 // 3.5
	OpCheckWatches         Op = 17 // 3.5
	OpRemoveWatches        Op = 18 // 3.5
	OpCreateContainer      Op = 19 // 3.5
	OpDeleteContainer      Op = 20 // 3.5
	OpCreateTTL            Op = 21 // 3.5
	OpMultiRead            Op = 22 // 3.6
	OpAuth                 Op = 100
	OpSetWatches           Op = 101
	OpSASL                 Op = 102
	OpGetEphemerals        Op = 103 // 3.6
	OpGetAllChildrenNumber Op = 104 // 3.6
	OpSetWatches2          Op = 105 // 3.6
	OpAddWatch             Op = 106 // 3.6
	OpWhoAmI               Op = 107 // 3.7
	OpCreateSession        Op = -10
	OpCloseSession         Op = -11
	OpError                Op = -1
)

var opNames = map[Op]string{
	OpNotification: "notification", OpCreate: "create", OpDelete: "delete", OpExists: "exists",
	OpGetData: "getData", OpSetData: "setData", OpGetACL: "getACL", OpSetACL: "setACL",
	OpGetChildren: "getChildren", OpSync: "sync", OpPing: "ping", OpGetChildren2: "getChildren2",
	OpCheck: "check", OpMulti: "multi", OpCreate2: "create2", OpReconfig: "reconfig",
	OpCheckWatches: "checkWatches", OpRemoveWatches: "removeWatches",
	OpCreateContainer: "createContainer", OpDeleteContainer: "deleteContainer",
	OpCreateTTL: "createTTL", OpMultiRead: "multiRead", OpAuth: "auth", OpSetWatches: "setWatches",
	OpSASL: "sasl", OpGetEphemerals: "getEphemerals", OpGetAllChildrenNumber: "getAllChildrenNumber",
	OpSetWatches2: "setWatches2", OpAddWatch: "addWatch", OpWhoAmI: "whoAmI",
	OpCreateSession: "createSession", OpCloseSession: "closeSession", OpError: "error",
}

// String is ZooKeeper's name of the operation, or "op N" for an unknown one.
func (o Op) String() string {
	if s, ok := opNames[o]; ok {
		return s
	}
	return "op " + strconv.Itoa(int(o))
}

// Since is the first ZooKeeper release whose servers know the operation, "3.4" at least.
func (o Op) Since() string {
	switch o {
	case OpCreate2, OpReconfig, OpCheckWatches, OpRemoveWatches, OpCreateContainer, OpDeleteContainer, OpCreateTTL:
		return "3.5"
	case OpMultiRead, OpGetEphemerals, OpGetAllChildrenNumber, OpSetWatches2, OpAddWatch:
		return "3.6"
	case OpWhoAmI:
		return "3.7"
	}
	return "3.4"
}

// CreateMode is the flags field of a create request (org.apache.zookeeper.CreateMode).
type CreateMode int32

// Create modes.
const (
	Persistent              CreateMode = 0
	Ephemeral               CreateMode = 1
	PersistentSequential    CreateMode = 2
	EphemeralSequential     CreateMode = 3
	Container               CreateMode = 4
	PersistentTTL           CreateMode = 5
	PersistentSequentialTTL CreateMode = 6
)

// Valid reports whether there is such a mode.
func (m CreateMode) Valid() bool { return m >= Persistent && m <= PersistentSequentialTTL }

// IsTTL tells whether a create with this mode carries a TTL.
func (m CreateMode) IsTTL() bool { return m == PersistentTTL || m == PersistentSequentialTTL }

// IsEphemeral tells whether the znode goes with its session.
func (m CreateMode) IsEphemeral() bool { return m == Ephemeral || m == EphemeralSequential }

// IsSequential tells whether the server appends a counter to the name.
func (m CreateMode) IsSequential() bool {
	return m == PersistentSequential || m == EphemeralSequential || m == PersistentSequentialTTL
}

// Perms is the set of permissions of an ACL entry (ZooDefs.Perms).
type Perms int32

// Permissions.
const (
	PermRead   Perms = 1
	PermWrite  Perms = 2
	PermCreate Perms = 4
	PermDelete Perms = 8
	PermAdmin  Perms = 16
	PermAll    Perms = 31
)

// String is the permissions as zkCli prints them, a subset of "cdrwa" in this order.
func (p Perms) String() string {
	var b []byte
	for _, x := range []struct {
		p Perms
		c byte
	}{{PermCreate, 'c'}, {PermDelete, 'd'}, {PermRead, 'r'}, {PermWrite, 'w'}, {PermAdmin, 'a'}} {
		if p&x.p != 0 {
			b = append(b, x.c)
		}
	}
	return string(b)
}

// AddWatchMode is the mode of an addWatch request.
type AddWatchMode int32

// Modes of addWatch.
const (
	WatchPersistent          AddWatchMode = 0
	WatchPersistentRecursive AddWatchMode = 1
)

func (m AddWatchMode) String() string {
	switch m {
	case WatchPersistent:
		return "PERSISTENT"
	case WatchPersistentRecursive:
		return "PERSISTENT_RECURSIVE"
	}
	return strconv.Itoa(int(m))
}

// WatcherType selects watches in checkWatches and removeWatches (Watcher.WatcherType).
type WatcherType int32

// Kinds of watches.
const (
	WatcherChildren            WatcherType = 1
	WatcherData                WatcherType = 2
	WatcherAny                 WatcherType = 3
	WatcherPersistent          WatcherType = 4 // 3.9
	WatcherPersistentRecursive WatcherType = 5 // 3.9
)

// EventType says what happened to a watched znode (Watcher.Event.EventType).
type EventType int32

// Event types.
const (
	EventNone                   EventType = -1
	EventNodeCreated            EventType = 1
	EventNodeDeleted            EventType = 2
	EventNodeDataChanged        EventType = 3
	EventNodeChildrenChanged    EventType = 4
	EventDataWatchRemoved       EventType = 5
	EventChildWatchRemoved      EventType = 6
	EventPersistentWatchRemoved EventType = 7
)

func (e EventType) String() string {
	switch e {
	case EventNone:
		return "None"
	case EventNodeCreated:
		return "NodeCreated"
	case EventNodeDeleted:
		return "NodeDeleted"
	case EventNodeDataChanged:
		return "NodeDataChanged"
	case EventNodeChildrenChanged:
		return "NodeChildrenChanged"
	case EventDataWatchRemoved:
		return "DataWatchRemoved"
	case EventChildWatchRemoved:
		return "ChildWatchRemoved"
	case EventPersistentWatchRemoved:
		return "PersistentWatchRemoved"
	}
	return "EventType " + strconv.Itoa(int(e))
}

// KeeperState is the state of the connection that an event reports (Watcher.Event.KeeperState).
type KeeperState int32

// States of the connection.
const (
	StateDisconnected      KeeperState = 0
	StateSyncConnected     KeeperState = 3
	StateAuthFailed        KeeperState = 4
	StateConnectedReadOnly KeeperState = 5
	StateSaslAuthenticated KeeperState = 6
	StateExpired           KeeperState = -112
	StateClosed            KeeperState = 7
)

func (s KeeperState) String() string {
	switch s {
	case StateDisconnected:
		return "Disconnected"
	case StateSyncConnected:
		return "SyncConnected"
	case StateAuthFailed:
		return "AuthFailed"
	case StateConnectedReadOnly:
		return "ConnectedReadOnly"
	case StateSaslAuthenticated:
		return "SaslAuthenticated"
	case StateExpired:
		return "Expired"
	case StateClosed:
		return "Closed"
	}
	return "KeeperState " + strconv.Itoa(int(s))
}

// Xids that a client does not choose (ClientCnxn).
const (
	XidWatcherEvent int32 = -1
	XidPing         int32 = -2
	XidAuth         int32 = -4
	XidSetWatches   int32 = -8
)
