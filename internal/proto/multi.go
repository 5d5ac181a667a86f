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

// MultiResult is the result of one part. If Err, the part's error, is set, the other fields are
// empty. In a multi that failed, parts before the failed one have OK and parts after it
// ErrRuntimeInconsistency.
type MultiResult struct {
	Type     Op // OpError if Err is set
	Err      Error
	Path     string   // create, create2
	Stat     *Stat    // create2, setData, getData
	Data     []byte   // getData
	Children []string // getChildren
}

// MultiResponse is the reply of multi and multiRead (MultiResponse).
type MultiResponse struct {
	Results []MultiResult
	Most    int // most results to decode, more fail with jute.ErrLength; 0 means no limit
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
	has := r.Type.facts().result
	if has == 0 {
		c.Fail(fmt.Errorf("unknown operation %d in the reply of a multi", int32(r.Type)))
		return
	}
	if has&hasPath != 0 {
		c.String(&r.Path)
	}
	if has&hasData != 0 {
		c.Buffer(&r.Data)
	}
	if has&hasChildren != 0 {
		c.StringBlock(&r.Children)
	}
	if has&hasStat != 0 {
		if r.Stat == nil {
			r.Stat = new(Stat)
		}
		r.Stat.Visit(c)
	}
	if has&hasError != 0 {
		c.Int((*int32)(&r.Err))
	}
}

// resultFields are the fields of a MultiResult that a part's result has on the wire; 0 if there is no such
// result.
type resultFields int

const (
	isResult resultFields = 1 << iota
	hasPath
	hasData
	hasChildren
	hasStat
	hasError
)

// resultLike returns the fields of a part's result: those of the reply to the operation on its own.
func resultLike(reply jute.Record) resultFields {
	switch reply.(type) {
	case *PathResponse:
		return isResult | hasPath
	case *Create2Response:
		return isResult | hasPath | hasStat
	case *StatResponse:
		return isResult | hasStat
	case *GetDataResponse:
		return isResult | hasData | hasStat
	case *GetChildrenResponse:
		return isResult | hasChildren
	case *ErrorResponse:
		return isResult | hasError
	}
	return isResult
}
