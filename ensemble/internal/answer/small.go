package answer

import (
	"bytes"
	"strconv"
	"strings"
)

// Dirs is the answer to dirs, in bytes. Some releases swap the two.
type Dirs struct {
	Data Opt[int64] `json:"datadir_size"`
	Log  Opt[int64] `json:"logdir_size"`
}

// ParseDirs parses the answer to dirs.
func ParseDirs(text []byte) (*Dirs, error) {
	d := &Dirs{}
	for line := range lines(text) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "datadir_size":
			d.Data = whole(value)
		case "logdir_size":
			d.Log = whole(value)
		}
	}
	if *d == (Dirs{}) {
		return nil, notUnderstood("dirs", text)
	}
	return d, nil
}

// Digest is the digest of the whole tree after a transaction.
type Digest struct {
	Zxid    Hex        `json:"zxid"`
	Digest  Hex        `json:"digest"`
	Version Opt[int64] `json:"version,omitzero"` // of the algorithm; words do not report it
}

// ParseHash parses the answer to hash: "100000080: 12345678901".
func ParseHash(text []byte) ([]*Digest, error) {
	list := []*Digest{}
	for line := range lines(text) {
		zxid, digest, ok := strings.Cut(line, ":")
		id, known := hex(zxid).Get()
		if n := whole(digest); ok && known && n.Known() {
			list = append(list, &Digest{Zxid: id, Digest: Hex(n.Or(0))})
		}
	}
	if len(list) == 0 && len(bytes.TrimSpace(text)) > 0 {
		return nil, notUnderstood("hash", text)
	}
	return list, nil
}

// ParseIsro parses the answer to isro: rw, ro, or null without a role.
func ParseIsro(text []byte) (string, error) {
	switch s := strings.TrimSpace(string(text)); s {
	case "rw", "ro", "null":
		return s, nil
	}
	return "", notUnderstood("isro", text)
}

// ParseGtmk parses the answer to gtmk or stmk: the trace mask.
func ParseGtmk(text []byte) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, notUnderstood("gtmk", text)
	}
	return n, nil
}
