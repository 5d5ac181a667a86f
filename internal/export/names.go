package export

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strings"
)

// Names of files and folders for znodes, which are the same on every system:
//
//   - %XX stands for a byte that a system or a tool could take for something else: what Windows refuses or cuts off, a leading
//     dot, ~ (short names of Windows), every byte that is not ASCII (macOS composes and decomposes characters)
//   - the first letter of a name that Windows reserves is written so: %43ON
//   - if a name differs from one before it in case only, all its letters are
//   - a name that would be too long is cut, and ends with %~ and a hash; only the list of znodes knows the whole name
const (
	// OwnData is the file with the data of a znode that is a folder. No znode's name becomes that.
	OwnData = "%znode"
	// longest is the length up to which names are not cut.
	longest = 200
	cutMark = "%~"
	hashed  = 16 // hex digits after it
)

// Names gives files their names, within a folder. The zero value is an empty folder.
type Names struct {
	used map[uint64]struct{} // hashes of the names in lower case
}

// File returns the name of the file of a znode. It must be called once for each, in the order of their names.
func (n *Names) File(name string) string {
	file := fileName(name, false)
	if !n.take(file) {
		file = fileName(name, true)
		n.take(file)
	}
	return file
}

func (n *Names) take(file string) bool {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.ToLower(file))) // never fails
	if _, used := n.used[h.Sum64()]; used {
		return false
	}
	if n.used == nil {
		n.used = map[uint64]struct{}{}
	}
	n.used[h.Sum64()] = struct{}{}
	return true
}

func fileName(name string, letters bool) string {
	var b strings.Builder
	first := reserved(name)
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		last := i == len(name)-1
		if c <= ' ' && (c != ' ' || last || i == 0) || c >= 0x7f || strings.IndexByte(`%<>:"/\|?*~`, c) >= 0 || c == '.' && (i == 0 || last) ||
			letter && letters || first && i == 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	if b.Len() <= longest {
		return b.String()
	}
	cut := b.String()[:longest-len(cutMark)-hashed]
	if at := strings.LastIndexByte(cut, '%'); at > len(cut)-3 {
		cut = cut[:at]
	}
	sum := sha256.Sum256([]byte(name))
	return cut + cutMark + hex.EncodeToString(sum[:hashed/2])
}

// reserved reports whether Windows, or a file manager, takes the name for something else.
func reserved(name string) bool {
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch stem = strings.TrimRight(stem, " "); stem {
	case "con", "prn", "aux", "nul", "conin$", "conout$", "clock$":
		return true
	case "thumbs", "desktop":
		return ignored(strings.ToLower(name))
	}
	return len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && '0' <= stem[3] && stem[3] <= '9'
}

// ignored reports whether a file is one that a system leaves in folders.
func ignored(file string) bool {
	return strings.HasPrefix(file, ".") || strings.EqualFold(file, "thumbs.db") || strings.EqualFold(file, "desktop.ini")
}

// NameOf returns the name of the znode whose file this is. If it was cut, name is that of the file. skip says that the file is
// none of ours.
func NameOf(file string) (name string, cut, skip bool, err error) {
	if ignored(file) || file == OwnData {
		return "", false, true, nil
	}
	if at := len(file) - hashed - len(cutMark); at > 0 && file[at:at+len(cutMark)] == cutMark {
		return file, true, false, nil
	}
	var b strings.Builder
	for i := 0; i < len(file); i++ {
		c := file[i]
		switch {
		case c == '%':
			if len(file)-i < 3 {
				return "", false, false, fmt.Errorf("%q: a %% must be followed by two hexadecimal digits; write %%25 for the character itself", file)
			}
			x, err := hex.DecodeString(file[i+1 : i+3])
			if err != nil {
				return "", false, false, fmt.Errorf("%q: a %% must be followed by two hexadecimal digits; write %%25 for the character itself", file)
			}
			b.WriteByte(x[0])
			i += 2
		case c == '~':
			return "", false, false, fmt.Errorf("%q looks like a leftover; remove it, or write %%7E for a ~ in the name of a znode", file)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), false, false, nil
}
