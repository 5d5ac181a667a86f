package proto

import "github.com/zkctl/zkctl/internal/jute"

// TxnBodies holds one body of each type, for those who decode millions of transactions and
// look at one at a time. The parts of a multi need bodies of their own, beside the multi's.
type TxnBodies struct {
	create          CreateTxn
	createTTL       CreateTTLTxn
	createContainer CreateContainerTxn
	delete          DeleteTxn
	setData         SetDataTxn
	check           CheckVersionTxn
	setACL          SetACLTxn
	createSession   CreateSessionTxn
	closeSession    CloseSessionTxn
	error           ErrorTxn
	multi           MultiTxn
	digest          TxnDigest
}

// body is NewTxnBody without allocation; a nil receiver allocates. No field needs clearing:
// decoding sets each.
func (b *TxnBodies) body(op Op) (jute.Record, error) {
	if b == nil {
		return NewTxnBody(op)
	}
	switch op {
	case OpCreate, OpCreate2:
		return &b.create, nil
	case OpCreateTTL:
		return &b.createTTL, nil
	case OpCreateContainer:
		return &b.createContainer, nil
	case OpDelete, OpDeleteContainer:
		return &b.delete, nil
	case OpSetData, OpReconfig:
		return &b.setData, nil
	case OpCheck:
		return &b.check, nil
	case OpSetACL:
		return &b.setACL, nil
	case OpCreateSession:
		return &b.createSession, nil
	case OpCloseSession:
		return &b.closeSession, nil
	case OpError:
		return &b.error, nil
	case OpMulti:
		return &b.multi, nil
	}
	return NewTxnBody(op)
}

func (b *TxnBodies) newDigest() *TxnDigest {
	if b == nil {
		return new(TxnDigest)
	}
	return &b.digest
}
