package proto

import "github.com/zkctl/zkctl/internal/jute"

// Pathed is a request or the body of a transaction that is about one znode. Its path is the first field.
type Pathed interface {
	jute.Record
	ZnodePath() *string
}

// ConnectRequest opens or resumes a session. SessionID 0 asks for a new one; TimeOut is in milliseconds.
// The ReadOnly byte is absent from clients before 3.4.
type ConnectRequest struct {
	ProtocolVersion int32
	LastZxidSeen    int64
	TimeOut         int32
	SessionID       int64
	Passwd          []byte
	ReadOnly        bool
}

// Visit walks the fields in wire order.
func (r *ConnectRequest) Visit(c *jute.Codec) {
	c.Int(&r.ProtocolVersion)
	c.Long(&r.LastZxidSeen)
	c.Int(&r.TimeOut)
	c.Long(&r.SessionID)
	c.Buffer(&r.Passwd)
	if !c.Decoding() || c.Remaining() > 0 {
		c.Bool(&r.ReadOnly)
	}
}

// ConnectResponse answers a ConnectRequest. TimeOut 0 means that the session has expired. The
// ReadOnly byte is absent from servers before 3.4.
type ConnectResponse struct {
	ProtocolVersion int32
	TimeOut         int32
	SessionID       int64
	Passwd          []byte
	ReadOnly        bool
}

// Visit walks the fields in wire order.
func (r *ConnectResponse) Visit(c *jute.Codec) {
	c.Int(&r.ProtocolVersion)
	c.Int(&r.TimeOut)
	c.Long(&r.SessionID)
	c.Buffer(&r.Passwd)
	if !c.Decoding() || c.Remaining() > 0 {
		c.Bool(&r.ReadOnly)
	}
}

// RequestHeader precedes every request but the first.
type RequestHeader struct {
	Xid  int32
	Type Op
}

// Visit walks the fields in wire order.
func (r *RequestHeader) Visit(c *jute.Codec) {
	c.Int(&r.Xid)
	c.Int((*int32)(&r.Type))
}

// ReplyHeader precedes every reply but the first. The record that follows is absent when Err is not 0.
type ReplyHeader struct {
	Xid  int32
	Zxid int64
	Err  Error
}

// Visit walks the fields in wire order.
func (r *ReplyHeader) Visit(c *jute.Codec) {
	c.Int(&r.Xid)
	c.Long(&r.Zxid)
	c.Int((*int32)(&r.Err))
}

// AuthPacket adds an identity to the session.
type AuthPacket struct {
	Type   int32
	Scheme string
	Auth   []byte
}

// Visit walks the fields in wire order.
func (r *AuthPacket) Visit(c *jute.Codec) {
	c.Int(&r.Type)
	c.String(&r.Scheme)
	c.Buffer(&r.Auth)
}

// SetWatches sets watches again after a reconnect; paths that changed since RelativeZxid fire at once.
type SetWatches struct {
	RelativeZxid int64
	DataWatches  []string
	ExistWatches []string
	ChildWatches []string
}

// Visit walks the fields in wire order.
func (r *SetWatches) Visit(c *jute.Codec) {
	c.Long(&r.RelativeZxid)
	c.Strings(&r.DataWatches)
	c.Strings(&r.ExistWatches)
	c.Strings(&r.ChildWatches)
}

// SetWatches2 is SetWatches with persistent watches (3.6).
type SetWatches2 struct {
	RelativeZxid               int64
	DataWatches                []string
	ExistWatches               []string
	ChildWatches               []string
	PersistentWatches          []string
	PersistentRecursiveWatches []string
}

// Visit walks the fields in wire order.
func (r *SetWatches2) Visit(c *jute.Codec) {
	c.Long(&r.RelativeZxid)
	c.Strings(&r.DataWatches)
	c.Strings(&r.ExistWatches)
	c.Strings(&r.ChildWatches)
	c.Strings(&r.PersistentWatches)
	c.Strings(&r.PersistentRecursiveWatches)
}

// PathRequest is the request of operations that take only a path: getACL, sync,
// getAllChildrenNumber; and, as prefixPath, getEphemerals.
type PathRequest struct {
	Path string
}

// Visit walks the fields in wire order.
func (r *PathRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
}

// ZnodePath implements Pathed.
func (r *PathRequest) ZnodePath() *string { return &r.Path }

// PathWatchRequest is the request of exists, getData, getChildren and getChildren2.
type PathWatchRequest struct {
	Path  string
	Watch bool
}

// Visit walks the fields in wire order.
func (r *PathWatchRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Bool(&r.Watch)
}

// ZnodePath implements Pathed.
func (r *PathWatchRequest) ZnodePath() *string { return &r.Path }

// PathVersionRequest is the request of delete and check. Version -1 matches any.
type PathVersionRequest struct {
	Path    string
	Version int32
}

// Visit walks the fields in wire order.
func (r *PathVersionRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Int(&r.Version)
}

// ZnodePath implements Pathed.
func (r *PathVersionRequest) ZnodePath() *string { return &r.Path }

// CreateRequest is the request of create, create2 and createContainer.
type CreateRequest struct {
	Path  string
	Data  []byte
	ACL   []ACL
	Flags CreateMode
}

// Visit walks the fields in wire order.
func (r *CreateRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Buffer(&r.Data)
	visitACLs(c, &r.ACL)
	c.Int((*int32)(&r.Flags))
}

// ZnodePath implements Pathed.
func (r *CreateRequest) ZnodePath() *string { return &r.Path }

// CreateTTLRequest is the request of createTTL. TTL is in milliseconds.
type CreateTTLRequest struct {
	Path  string
	Data  []byte
	ACL   []ACL
	Flags CreateMode
	TTL   int64
}

// Visit walks the fields in wire order.
func (r *CreateTTLRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Buffer(&r.Data)
	visitACLs(c, &r.ACL)
	c.Int((*int32)(&r.Flags))
	c.Long(&r.TTL)
}

// ZnodePath implements Pathed.
func (r *CreateTTLRequest) ZnodePath() *string { return &r.Path }

// SetDataRequest is the request of setData. Version -1 matches any.
type SetDataRequest struct {
	Path    string
	Data    []byte
	Version int32
}

// Visit walks the fields in wire order.
func (r *SetDataRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Buffer(&r.Data)
	c.Int(&r.Version)
}

// ZnodePath implements Pathed.
func (r *SetDataRequest) ZnodePath() *string { return &r.Path }

// SetACLRequest is the request of setACL. Version, of the ACL, -1 matches any.
type SetACLRequest struct {
	Path    string
	ACL     []ACL
	Version int32
}

// Visit walks the fields in wire order.
func (r *SetACLRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	visitACLs(c, &r.ACL)
	c.Int(&r.Version)
}

// ZnodePath implements Pathed.
func (r *SetACLRequest) ZnodePath() *string { return &r.Path }

// ReconfigRequest changes the ensemble's members; empty strings travel as null. CurConfigID -1 matches any.
type ReconfigRequest struct {
	JoiningServers string
	LeavingServers string
	NewMembers     string
	CurConfigID    int64
}

// Visit walks the fields in wire order.
func (r *ReconfigRequest) Visit(c *jute.Codec) {
	c.NullString(&r.JoiningServers)
	c.NullString(&r.LeavingServers)
	c.NullString(&r.NewMembers)
	c.Long(&r.CurConfigID)
}

// AddWatchRequest is the request of addWatch.
type AddWatchRequest struct {
	Path string
	Mode AddWatchMode
}

// Visit walks the fields in wire order.
func (r *AddWatchRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Int((*int32)(&r.Mode))
}

// ZnodePath implements Pathed.
func (r *AddWatchRequest) ZnodePath() *string { return &r.Path }

// WatchesRequest is the request of checkWatches and removeWatches.
type WatchesRequest struct {
	Path string
	Type WatcherType
}

// Visit walks the fields in wire order.
func (r *WatchesRequest) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Int((*int32)(&r.Type))
}

// ZnodePath implements Pathed.
func (r *WatchesRequest) ZnodePath() *string { return &r.Path }

// SASLToken is the request and the reply of sasl.
type SASLToken struct {
	Token []byte
}

// Visit walks the fields in wire order.
func (r *SASLToken) Visit(c *jute.Codec) {
	c.Buffer(&r.Token)
}

// PathResponse is the reply of create before 3.5, and of sync.
type PathResponse struct {
	Path string
}

// Visit walks the fields in wire order.
func (r *PathResponse) Visit(c *jute.Codec) {
	c.String(&r.Path)
}

// Create2Response is the reply of create2, createContainer and createTTL.
type Create2Response struct {
	Path string
	Stat Stat
}

// Visit walks the fields in wire order.
func (r *Create2Response) Visit(c *jute.Codec) {
	c.String(&r.Path)
	r.Stat.Visit(c)
}

// StatResponse is the reply of exists, setData and setACL.
type StatResponse struct {
	Stat Stat
}

// Visit walks the fields in wire order.
func (r *StatResponse) Visit(c *jute.Codec) {
	r.Stat.Visit(c)
}

// GetDataResponse is the reply of getData, getConfig and reconfig.
type GetDataResponse struct {
	Data []byte
	Stat Stat
}

// Visit walks the fields in wire order.
func (r *GetDataResponse) Visit(c *jute.Codec) {
	c.Buffer(&r.Data)
	r.Stat.Visit(c)
}

// GetChildrenResponse is the reply of getChildren.
type GetChildrenResponse struct {
	Children []string
}

// Visit walks the fields in wire order.
func (r *GetChildrenResponse) Visit(c *jute.Codec) {
	c.StringBlock(&r.Children)
}

// GetChildren2Response is the reply of getChildren2.
type GetChildren2Response struct {
	Children []string
	Stat     Stat
}

// Visit walks the fields in wire order.
func (r *GetChildren2Response) Visit(c *jute.Codec) {
	c.StringBlock(&r.Children)
	r.Stat.Visit(c)
}

// GetACLResponse is the reply of getACL.
type GetACLResponse struct {
	ACL  []ACL
	Stat Stat
}

// Visit walks the fields in wire order.
func (r *GetACLResponse) Visit(c *jute.Codec) {
	visitACLs(c, &r.ACL)
	r.Stat.Visit(c)
}

// GetAllChildrenNumberResponse is the reply of getAllChildrenNumber.
type GetAllChildrenNumberResponse struct {
	TotalNumber int32
}

// Visit walks the fields in wire order.
func (r *GetAllChildrenNumberResponse) Visit(c *jute.Codec) {
	c.Int(&r.TotalNumber)
}

// GetEphemeralsResponse is the reply of getEphemerals.
type GetEphemeralsResponse struct {
	Ephemerals []string
}

// Visit walks the fields in wire order.
func (r *GetEphemeralsResponse) Visit(c *jute.Codec) {
	c.Strings(&r.Ephemerals)
}

// WhoAmIResponse is the reply of whoAmI.
type WhoAmIResponse struct {
	ClientInfo []ClientInfo
}

// Visit walks the fields in wire order.
func (r *WhoAmIResponse) Visit(c *jute.Codec) {
	jute.Vector(c, &r.ClientInfo, 8)
}

// WatcherEvent is sent, with xid -1, when a watch fires.
type WatcherEvent struct {
	Type  EventType
	State KeeperState
	Path  string
}

// Visit walks the fields in wire order.
func (r *WatcherEvent) Visit(c *jute.Codec) {
	c.Int((*int32)(&r.Type))
	c.Int((*int32)(&r.State))
	c.String(&r.Path)
}

// ErrorResponse is an error code as a record, in the results of multi.
type ErrorResponse struct {
	Err Error
}

// Visit walks the fields in wire order.
func (r *ErrorResponse) Visit(c *jute.Codec) {
	c.Int((*int32)(&r.Err))
}
