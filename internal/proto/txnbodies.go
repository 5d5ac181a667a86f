package proto

import "github.com/zkctl/zkctl/internal/jute"

// TxnBodies holds one body of each type, to decode millions of transactions one at a time. The
// parts of a multi need separate bodies from the multi's.
type TxnBodies struct {
	bodies [highest - lowest + 1]jute.Record
	digest TxnDigest
}

// body is NewTxnBody, but allocates only the first of each type; a nil receiver always allocates.
// Fields need not be cleared: decoding sets all of them.
func (b *TxnBodies) body(op Op) (jute.Record, error) {
	i, ok := op.slot()
	if b == nil || !ok {
		return NewTxnBody(op)
	}
	if body := b.bodies[i]; body != nil {
		return body, nil
	}
	body, err := NewTxnBody(op)
	b.bodies[i] = body
	return body, err
}

func (b *TxnBodies) newDigest() *TxnDigest {
	if b == nil {
		return new(TxnDigest)
	}
	return &b.digest
}
