package proto

import "github.com/zkctl/zkctl/internal/jute"

// Values of FileHeader, from FileTxnLog and FileSnap.
const (
	LogMagic    int32 = 'Z'<<24 | 'K'<<16 | 'L'<<8 | 'G'
	LogVersion  int32 = 2
	SnapMagic   int32 = 'Z'<<24 | 'K'<<16 | 'S'<<8 | 'N'
	SnapVersion int32 = 2
)

// DigestVersion is the version of the tree digest that ZooKeeper 3.6 to 3.9 compute
// (DigestCalculator.DIGEST_VERSION).
const DigestVersion int32 = 2

// TxnEntry is one transaction as logged and as proposed to followers. Body is nil for a
// closeSession written before 3.6; Digest is nil if none was written.
type TxnEntry struct {
	Header TxnHeader
	Body   jute.Record
	Digest *TxnDigest
}

// digestSize is the number of bytes that a TxnDigest occupies.
const digestSize = 12

// Visit walks the fields in wire order (SerializeUtils.deserializeTxn). It decodes to the end of
// the codec's buffer: an entry does not contain its length.
func (r *TxnEntry) Visit(c *jute.Codec) { r.visit(c, nil) }

// View decodes like Visit, from a codec set by ResetView, into bodies, which it overwrites.
func (r *TxnEntry) View(c *jute.Codec, bodies *TxnBodies) { r.visit(c, bodies) }

func (r *TxnEntry) visit(c *jute.Codec, bodies *TxnBodies) {
	r.Header.Visit(c)
	if c.Decoding() {
		r.Body, r.Digest = nil, nil
		if c.Err() != nil {
			return
		}
		body, err := bodies.body(r.Header.Type)
		if err != nil {
			c.Fail(err)
			return
		}
		if r.Header.Type != OpCloseSession || c.Remaining() > digestSize || c.Remaining() == 4 {
			r.Body = body
		}
		if r.Body != nil {
			r.Body.Visit(c)
		}
		if c.Err() == nil && c.Remaining() >= digestSize {
			r.Digest = bodies.newDigest()
		}
	} else if r.Body != nil {
		r.Body.Visit(c)
	}
	if r.Digest != nil {
		r.Digest.Visit(c)
	}
}

// Decode returns the part's transaction. Buffers in it alias the part's data.
func (r *Txn) Decode() (jute.Record, error) {
	body, err := NewTxnBody(r.Type)
	if err != nil {
		return nil, err
	}
	return body, jute.Unmarshal(r.Data, body)
}

// View is Decode into bodies, which it overwrites, without copying: strings alias the part's data,
// too. c is any codec.
func (r *Txn) View(c *jute.Codec, bodies *TxnBodies) (jute.Record, error) {
	body, err := bodies.body(r.Type)
	if err != nil {
		return nil, err
	}
	c.ResetView(r.Data)
	body.Visit(c)
	return body, c.Err()
}

// FileHeader starts a transaction log and a snapshot. DBID is 0 in a log and -1 in a snapshot.
type FileHeader struct {
	Magic   int32
	Version int32
	DBID    int64
}

// Visit walks the fields in wire order.
func (r *FileHeader) Visit(c *jute.Codec) {
	c.Int(&r.Magic)
	c.Int(&r.Version)
	c.Long(&r.DBID)
}

// TxnHeader precedes every transaction. Time is milliseconds since 1970.
type TxnHeader struct {
	ClientID int64
	Cxid     int32
	Zxid     int64
	Time     int64
	Type     Op
}

// Visit walks the fields in wire order.
func (r *TxnHeader) Visit(c *jute.Codec) {
	c.Long(&r.ClientID)
	c.Int(&r.Cxid)
	c.Long(&r.Zxid)
	c.Long(&r.Time)
	c.Int((*int32)(&r.Type))
}

// TxnDigest is the digest of the whole tree after the transaction (3.6).
type TxnDigest struct {
	Version    int32
	TreeDigest int64
}

// Visit walks the fields in wire order.
func (r *TxnDigest) Visit(c *jute.Codec) {
	c.Int(&r.Version)
	c.Long(&r.TreeDigest)
}

// CreateTxn is logged by create and create2. ParentCVersion is absent from logs of 3.3 and before;
// it is then -1, as in ZooKeeper.
type CreateTxn struct {
	Path           string
	Data           []byte
	ACL            []ACL
	Ephemeral      bool
	ParentCVersion int32
}

// Visit walks the fields in wire order.
func (r *CreateTxn) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Buffer(&r.Data)
	visitACLs(c, &r.ACL)
	c.Bool(&r.Ephemeral)
	if c.Decoding() && c.Err() == nil && c.Remaining() == 0 {
		r.ParentCVersion = -1
		return
	}
	c.Int(&r.ParentCVersion)
}

// ZnodePath implements Pathed.
func (r *CreateTxn) ZnodePath() *string { return &r.Path }

// CreateTTLTxn is logged by createTTL.
type CreateTTLTxn struct {
	Path           string
	Data           []byte
	ACL            []ACL
	ParentCVersion int32
	TTL            int64
}

// Visit walks the fields in wire order.
func (r *CreateTTLTxn) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Buffer(&r.Data)
	visitACLs(c, &r.ACL)
	c.Int(&r.ParentCVersion)
	c.Long(&r.TTL)
}

// ZnodePath implements Pathed.
func (r *CreateTTLTxn) ZnodePath() *string { return &r.Path }

// CreateContainerTxn is logged by createContainer.
type CreateContainerTxn struct {
	Path           string
	Data           []byte
	ACL            []ACL
	ParentCVersion int32
}

// Visit walks the fields in wire order.
func (r *CreateContainerTxn) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Buffer(&r.Data)
	visitACLs(c, &r.ACL)
	c.Int(&r.ParentCVersion)
}

// ZnodePath implements Pathed.
func (r *CreateContainerTxn) ZnodePath() *string { return &r.Path }

// DeleteTxn is logged by delete and deleteContainer.
type DeleteTxn struct {
	Path string
}

// Visit walks the fields in wire order.
func (r *DeleteTxn) Visit(c *jute.Codec) {
	c.String(&r.Path)
}

// ZnodePath implements Pathed.
func (r *DeleteTxn) ZnodePath() *string { return &r.Path }

// SetDataTxn is logged by setData and reconfig. Version is the znode's new version.
type SetDataTxn struct {
	Path    string
	Data    []byte
	Version int32
}

// Visit walks the fields in wire order.
func (r *SetDataTxn) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Buffer(&r.Data)
	c.Int(&r.Version)
}

// ZnodePath implements Pathed.
func (r *SetDataTxn) ZnodePath() *string { return &r.Path }

// CheckVersionTxn is logged by check inside a multi.
type CheckVersionTxn struct {
	Path    string
	Version int32
}

// Visit walks the fields in wire order.
func (r *CheckVersionTxn) Visit(c *jute.Codec) {
	c.String(&r.Path)
	c.Int(&r.Version)
}

// ZnodePath implements Pathed.
func (r *CheckVersionTxn) ZnodePath() *string { return &r.Path }

// SetACLTxn is logged by setACL. Version is the ACL's new version.
type SetACLTxn struct {
	Path    string
	ACL     []ACL
	Version int32
}

// Visit walks the fields in wire order.
func (r *SetACLTxn) Visit(c *jute.Codec) {
	c.String(&r.Path)
	visitACLs(c, &r.ACL)
	c.Int(&r.Version)
}

// ZnodePath implements Pathed.
func (r *SetACLTxn) ZnodePath() *string { return &r.Path }

// CreateSessionTxn is logged when a session opens. TimeOut is in milliseconds.
type CreateSessionTxn struct {
	TimeOut int32
}

// Visit walks the fields in wire order.
func (r *CreateSessionTxn) Visit(c *jute.Codec) {
	c.Int(&r.TimeOut)
}

// CloseSessionTxn is logged when a session closes; before 3.6 it has no body.
type CloseSessionTxn struct {
	Paths2Delete []string
}

// Visit walks the fields in wire order.
func (r *CloseSessionTxn) Visit(c *jute.Codec) {
	c.Strings(&r.Paths2Delete)
}

// ErrorTxn takes the zxid of a failed request.
type ErrorTxn struct {
	Err Error
}

// Visit walks the fields in wire order.
func (r *ErrorTxn) Visit(c *jute.Codec) {
	c.Int((*int32)(&r.Err))
}

// Txn is one part of a MultiTxn: the encoded transaction of the type.
type Txn struct {
	Type Op
	Data []byte
}

// Visit walks the fields in wire order.
func (r *Txn) Visit(c *jute.Codec) {
	c.Int((*int32)(&r.Type))
	c.Buffer(&r.Data)
}

// MultiTxn is logged by multi.
type MultiTxn struct {
	Txns []Txn
}

// Visit walks the fields in wire order.
func (r *MultiTxn) Visit(c *jute.Codec) {
	jute.Vector(c, &r.Txns, 8)
}
