package logformatter

import "github.com/zkctl/zkctl/internal/proto"

// field is a field of a transaction's body.
type field struct {
	kind fieldKind
	json string // its name in JSON, as it is written after the field before it
}

type fieldKind int

const (
	fieldPath fieldKind = iota
	fieldData
	fieldACL
	fieldBool
	fieldInt
	fieldLong
	fieldCVersion // an int that is absent from a create of 3.3 and before; -1 then
	fieldError    // an int, with a name
	fieldPaths    // of a closeSession, which may have no body
	fieldParts    // of a multi
)

var (
	pathField     = field{fieldPath, `,"path":`}
	dataField     = field{kind: fieldData}
	aclField      = field{kind: fieldACL}
	versionField  = field{fieldInt, `,"version":`}
	cversionField = field{fieldInt, `,"parentCVersion":`}

	createFields = []field{pathField, dataField, aclField, {fieldBool, `,"ephemeral":`}, {fieldCVersion, `,"parentCVersion":`}}
	dataFields   = []field{pathField, dataField, versionField}
	deleteFields = []field{pathField}
)

// firstType is the lowest code of a type of transactions.
const firstType = proto.OpCloseSession

// layouts are the fields of the body of each type, in wire order, by the type's distance to firstType.
// The records of internal/proto have the same fields; a test compares them.
var layouts = [...][]field{
	proto.OpCreate - firstType:          createFields,
	proto.OpDelete - firstType:          deleteFields,
	proto.OpSetData - firstType:         dataFields,
	proto.OpSetACL - firstType:          {pathField, aclField, versionField},
	proto.OpCheck - firstType:           {pathField, versionField},
	proto.OpMulti - firstType:           {{kind: fieldParts}},
	proto.OpCreate2 - firstType:         createFields,
	proto.OpReconfig - firstType:        dataFields,
	proto.OpCreateContainer - firstType: {pathField, dataField, aclField, cversionField},
	proto.OpDeleteContainer - firstType: deleteFields,
	proto.OpCreateTTL - firstType:       {pathField, dataField, aclField, cversionField, {fieldLong, `,"ttl":`}},
	proto.OpCreateSession - firstType:   {{fieldInt, `,"timeOut":`}},
	proto.OpCloseSession - firstType:    {{kind: fieldPaths}},
	proto.OpError - firstType:           {{kind: fieldError}},
}

// layout is the fields of a transaction's body; nil if there is no such type.
func layout(op proto.Op) []field {
	if i := uint(op - firstType); i < uint(len(layouts)) {
		return layouts[i]
	}
	return nil
}
