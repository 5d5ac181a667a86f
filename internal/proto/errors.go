package proto

import "strconv"

// Error is an error code of ZooKeeper (KeeperException.Code), with the text of KeeperException; 0
// is success and must not be used as an error.
type Error int32

// Error codes.
const (
	OK                        Error = 0
	ErrSystemError            Error = -1
	ErrRuntimeInconsistency   Error = -2
	ErrDataInconsistency      Error = -3
	ErrConnectionLoss         Error = -4
	ErrMarshallingError       Error = -5
	ErrUnimplemented          Error = -6
	ErrOperationTimeout       Error = -7
	ErrBadArguments           Error = -8
	ErrUnknownSession         Error = -12
	ErrNewConfigNoQuorum      Error = -13
	ErrReconfigInProgress     Error = -14
	ErrAPIError               Error = -100
	ErrNoNode                 Error = -101
	ErrNoAuth                 Error = -102
	ErrBadVersion             Error = -103
	ErrNoChildrenForEphemeral Error = -108
	ErrNodeExists             Error = -110
	ErrNotEmpty               Error = -111
	ErrSessionExpired         Error = -112
	ErrInvalidCallback        Error = -113
	ErrInvalidACL             Error = -114
	ErrAuthFailed             Error = -115
	ErrSessionMoved           Error = -118
	ErrNotReadOnly            Error = -119
	ErrEphemeralOnLocal       Error = -120
	ErrNoWatcher              Error = -121
	ErrRequestTimeout         Error = -122
	ErrReconfigDisabled       Error = -123
	ErrSessionClosedSASLAuth  Error = -124
	ErrQuotaExceeded          Error = -125
	ErrThrottledOp            Error = -127
)

var errorNames = map[Error][2]string{ // constant's name, KeeperException's text
	OK:                        {"OK", "ok"},
	ErrSystemError:            {"SYSTEMERROR", "SystemError"},
	ErrRuntimeInconsistency:   {"RUNTIMEINCONSISTENCY", "RuntimeInconsistency"},
	ErrDataInconsistency:      {"DATAINCONSISTENCY", "DataInconsistency"},
	ErrConnectionLoss:         {"CONNECTIONLOSS", "ConnectionLoss"},
	ErrMarshallingError:       {"MARSHALLINGERROR", "MarshallingError"},
	ErrUnimplemented:          {"UNIMPLEMENTED", "Unimplemented"},
	ErrOperationTimeout:       {"OPERATIONTIMEOUT", "OperationTimeout"},
	ErrBadArguments:           {"BADARGUMENTS", "BadArguments"},
	ErrUnknownSession:         {"UNKNOWNSESSION", "Unknown session"},
	ErrNewConfigNoQuorum:      {"NEWCONFIGNOQUORUM", "NewConfigNoQuorum"},
	ErrReconfigInProgress:     {"RECONFIGINPROGRESS", "ReconfigInProgress"},
	ErrAPIError:               {"APIERROR", "APIError"},
	ErrNoNode:                 {"NONODE", "NoNode"},
	ErrNoAuth:                 {"NOAUTH", "NoAuth"},
	ErrBadVersion:             {"BADVERSION", "BadVersion"},
	ErrNoChildrenForEphemeral: {"NOCHILDRENFOREPHEMERALS", "NoChildrenForEphemerals"},
	ErrNodeExists:             {"NODEEXISTS", "NodeExists"},
	ErrNotEmpty:               {"NOTEMPTY", "Directory not empty"},
	ErrSessionExpired:         {"SESSIONEXPIRED", "Session expired"},
	ErrInvalidCallback:        {"INVALIDCALLBACK", "Invalid callback"},
	ErrInvalidACL:             {"INVALIDACL", "InvalidACL"},
	ErrAuthFailed:             {"AUTHFAILED", "AuthFailed"},
	ErrSessionMoved:           {"SESSIONMOVED", "Session moved"},
	ErrNotReadOnly:            {"NOTREADONLY", "Not a read-only call"},
	ErrEphemeralOnLocal:       {"EPHEMERALONLOCALSESSION", "Ephemeral node on local session"},
	ErrNoWatcher:              {"NOWATCHER", "No such watcher"},
	ErrRequestTimeout:         {"REQUESTTIMEOUT", "Request timeout"},
	ErrReconfigDisabled:       {"RECONFIGDISABLED", "Reconfig is disabled"},
	ErrSessionClosedSASLAuth:  {"SESSIONCLOSEDREQUIRESASLAUTH", "Session closed because client failed to authenticate"},
	ErrQuotaExceeded:          {"QUOTAEXCEEDED", "Quota has exceeded"},
	ErrThrottledOp:            {"THROTTLEDOP", "Op throttled due to high load"},
}

// Error returns the text of KeeperException without a path.
func (e Error) Error() string { return "KeeperErrorCode = " + e.Message() }

// Message returns KeeperException's text for the code.
func (e Error) Message() string {
	if n, ok := errorNames[e]; ok {
		return n[1]
	}
	return "Unknown error " + strconv.Itoa(int(e))
}

// Name returns the code's constant in KeeperException.Code, or its number if it has none.
func (e Error) Name() string {
	if n, ok := errorNames[e]; ok {
		return n[0]
	}
	return strconv.Itoa(int(e))
}
