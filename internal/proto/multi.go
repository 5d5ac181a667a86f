package proto

import (
	"fmt"

	"github.com/zkctl/zkctl/internal/jute"
)

// MultiHeader precedes each part of a multi and of its reply, and, with Done, ends both.
type MultiHeader struct {
	Type Op
	Done bool
	Err  Error
}

// Visit walks the fields in wire order.
func (r *MultiHeader) Visit(c *jute.Codec) {
	c.Int((*int32)(&r.Type))
	c.Bool(&r.Done)
	c.Int((*int32)(&r.Err))
}

var multiEnd = MultiHeader{Type: -1, Done: true, Err: -1}

// MultiOp is one part of a multi or multiRead request.
type MultiOp struct {
	Type    Op
	Request jute.Record
}

// MultiRequest is the request of multi and multiRead (MultiOperationRecord).
type MultiRequest struct {
	Ops []MultiOp
}

// Visit walks the fields in wire order.
func (r *MultiRequest) Visit(c *jute.Codec) {
	if !c.Decoding() {
		for _, op := range r.Ops {
			h := MultiHeader{Type: op.Type, Err: -1}
			h.Visit(c)
			op.Request.Visit(c)
		}
		end := multiEnd
		end.Visit(c)
		return
	}
	r.Ops = nil
	for c.Err() == nil {
		var h MultiHeader
		h.Visit(c)
		if h.Done || c.Err() != nil {
			return
		}
		req, err := newPart(h.Type)
		if err != nil {
			c.Fail(err)
			return
		}
		req.Visit(c)
		r.Ops = append(r.Ops, MultiOp{h.Type, req})
	}
}

// MultiResult is the result of one part. Err is that part's error; then the other fields
// are empty. In a multi that failed, parts before the failed one have OK and parts after
// it ErrRuntimeInconsistency.
type MultiResult struct {
	Type     Op // OpError when Err is set
	Err      Error
	Path     string   // create, create2
	Stat     *Stat    // create2, setData, getData
	Data     []byte   // getData
	Children []string // getChildren
}

// MultiResponse is the reply of multi and multiRead (MultiResponse).
type MultiResponse struct {
	Results []MultiResult
	Most    int // results to decode; more are jute.ErrLength, unless it is 0
}

// Visit walks the fields in wire order.
func (r *MultiResponse) Visit(c *jute.Codec) {
	if !c.Decoding() {
		for i := range r.Results {
			h := MultiHeader{Type: r.Results[i].Type, Err: r.Results[i].Err}
			h.Visit(c)
			r.Results[i].visitBody(c)
		}
		end := multiEnd
		end.Visit(c)
		return
	}
	r.Results = nil
	if left := c.Remaining(); r.Most > 0 && left > 0 {
		r.Results = make([]MultiResult, 0, min(int64(r.Most), left/9)) // each has a header
	}
	for c.Err() == nil {
		var h MultiHeader
		h.Visit(c)
		if h.Done || c.Err() != nil {
			return
		}
		if r.Most > 0 && len(r.Results) == r.Most {
			c.Fail(jute.ErrLength)
			return
		}
		res := MultiResult{Type: h.Type, Err: h.Err}
		res.visitBody(c)
		r.Results = append(r.Results, res)
	}
}

func (r *MultiResult) visitBody(c *jute.Codec) {
	stat := func() {
		if r.Stat == nil {
			r.Stat = new(Stat)
		}
		r.Stat.Visit(c)
	}
	switch {
	case r.Type == OpCreate:
		c.String(&r.Path)
	case r.Type.Creates():
		c.String(&r.Path)
		stat()
	case r.Type == OpSetData:
		stat()
	case r.Type == OpGetData:
		c.Buffer(&r.Data)
		stat()
	case r.Type == OpGetChildren:
		c.StringBlock(&r.Children)
	case r.Type == OpDelete, r.Type == OpCheck:
	case r.Type == OpError:
		c.Int((*int32)(&r.Err))
	default:
		c.Fail(fmt.Errorf("unknown operation %d in the reply of a multi", int32(r.Type)))
	}
}
