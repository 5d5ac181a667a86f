package zoocfg

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// entry is a key in a property file. If a key occurs twice, the last value wins, as in
// java.util.Properties.
type entry struct {
	key, value string
	line       int // of the last definition, starting at 1; 0 if there is no file
}

// logicalLine is a line of a property file with its continuation lines. A comment or an empty
// line has no key.
type logicalLine struct {
	entry
	isEntry    bool
	start, end int // its bytes, including the line end
}

// parseProperties reads a property file as java.util.Properties.load(InputStream) does: ISO
// 8859-1, escapes, continued lines, "=", ":" or white space after the key. The entries are in the
// order in which java.util.Properties (JDK 9 and later) iterates over them, because ZooKeeper's
// order of members depends on it. A malformed \uxxxx is an error, as in Java.
func parseProperties(text []byte) ([]entry, error) { return parseText(text, false) }

// parseText is parseProperties; with isUTF8, it is load(Reader) for UTF-8 text.
func parseText(text []byte, isUTF8 bool) ([]entry, error) {
	var entries []entry
	index := map[string]int{}
	err := scanProperties(text, isUTF8, func(l logicalLine) {
		if !l.isEntry {
			return
		}
		if i, again := index[l.key]; again {
			entries[i].value, entries[i].line = l.value, l.line
			return
		}
		index[l.key] = len(entries)
		entries = append(entries, l.entry)
	})
	if err != nil {
		return nil, err
	}
	// Properties(8) makes a table of 16; a table doubles when it is three quarters full.
	table := uint32(16)
	for uint32(len(entries)) >= table-table/4 {
		table *= 2
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		return int(javaBucket(a.key, table)) - int(javaBucket(b.key, table))
	})
	return entries, nil
}

// javaBucket returns the place of a key in a ConcurrentHashMap with a table of that size.
func javaBucket(key string, table uint32) uint32 {
	var h uint32
	for _, unit := range utf16.Encode([]rune(key)) {
		h = 31*h + uint32(unit)
	}
	return (h ^ h>>16) & (table - 1)
}

// scanProperties calls visit for each logical line in order, including comments and empty lines,
// so that an editor can keep what it does not change.
func scanProperties(text []byte, isUTF8 bool, visit func(logicalLine)) error {
	line := 1
	for at := 0; at < len(text); {
		l := logicalLine{start: at, entry: entry{line: line}}
		var logical []byte
		continued := false
		for {
			// The white space at the start of every natural line is dropped.
			for at < len(text) && isBlank(text[at]) {
				at++
			}
			from := at
			for at < len(text) && text[at] != '\n' && text[at] != '\r' {
				at++
			}
			natural := text[from:at]
			if at < len(text) { // \r\n is one end of line
				if text[at] == '\r' && at+1 < len(text) && text[at+1] == '\n' {
					at++
				}
				at++
				line++
			}
			if !continued && (len(natural) == 0 || natural[0] == '#' || natural[0] == '!') {
				break // comments do not continue
			}
			l.isEntry = true
			continued = trailingBackslashes(natural)%2 == 1
			if continued {
				natural = natural[:len(natural)-1]
			}
			logical = append(logical, natural...)
			if continued && len(logical) == 0 {
				// Java does not notice that an empty line is continued, except at the very end,
				// where it becomes an entry without a name.
				l.isEntry = at >= len(text) && !bytes.HasSuffix(text, []byte("\r\n"))
				break
			}
			if !continued || at >= len(text) {
				break
			}
		}
		l.end = at
		if l.isEntry {
			var err error
			if l.key, l.value, err = splitProperty(logical, isUTF8); err != nil {
				return fmt.Errorf("line %d: %w", l.line, err)
			}
		}
		visit(l)
	}
	return nil
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\f' }

func trailingBackslashes(b []byte) (n int) {
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n
}

// splitProperty splits a logical line at the first unescaped "=", ":" or white space; white space
// around the separator belongs to neither side.
func splitProperty(b []byte, isUTF8 bool) (key, value string, err error) {
	end := 0
	for end < len(b) && b[end] != '=' && b[end] != ':' && !isBlank(b[end]) {
		if b[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(b))
	from, separated := end, false
	for from < len(b) && (isBlank(b[from]) || !separated && (b[from] == '=' || b[from] == ':')) {
		separated = separated || !isBlank(b[from])
		from++
	}
	if key, err = unescape(b[:end], isUTF8); err != nil {
		return "", "", err
	}
	value, err = unescape(b[from:], isUTF8)
	return key, value, err
}

// unescape resolves the escapes of a property file, and turns ISO 8859-1 into UTF-8
// unless it is UTF-8 already.
func unescape(b []byte, isUTF8 bool) (string, error) {
	if !isUTF8 && bytes.IndexByte(b, '\\') < 0 && isASCII(b) {
		return string(b), nil
	}
	units := make([]uint16, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if isUTF8 && c >= 0x80 {
			r, size := utf8.DecodeRune(b[i:])
			units = utf16.AppendRune(units, r)
			i += size - 1
			continue
		}
		if c != '\\' {
			units = append(units, uint16(c))
			continue
		}
		if i++; i == len(b) {
			break
		}
		if b[i] >= 0x80 {
			i-- // drop only the backslash
			continue
		}
		switch c = b[i]; c {
		case 't':
			c = '\t'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 'f':
			c = '\f'
		case 'u':
			u, err := strconv.ParseUint(string(b[min(i+1, len(b)):min(i+5, len(b))]), 16, 16)
			if err != nil || i+5 > len(b) {
				return "", illegalArgument(`Malformed \uxxxx encoding.`)
			}
			units = append(units, uint16(u))
			i += 4
			continue
		}
		units = append(units, uint16(c))
	}
	return string(utf16.Decode(units)), nil
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// idTable holds ids in the order in which a java.util.HashMap<Long, …> iterates: by bucket, and
// by age within a bucket. QuorumMaj and QuorumHierarchical print their members in this order, so
// the text of /zookeeper/config depends on it: 17 comes before 2.
type idTable struct {
	ids   []int64 // by age
	has   IDs
	table uint32 // buckets, a power of two; it never shrinks
}

func (t *idTable) put(id int64) {
	if t.has.Has(id) {
		return
	}
	if t.has == nil {
		t.has = IDs{}
	}
	t.has.Add(id)
	t.ids = append(t.ids, id)
	if t.table == 0 {
		t.table = 16
	}
	for uint32(len(t.ids)) > t.table*3/4 {
		t.table *= 2
	}
}

func (t *idTable) remove(id int64) {
	if !t.has.Has(id) {
		return
	}
	delete(t.has, id)
	t.ids = slices.DeleteFunc(t.ids, func(other int64) bool { return other == id })
}

// copied returns what new HashMap(m) makes of m: a table just large enough, filled in m's order.
func (t *idTable) copied() *idTable {
	c := &idTable{}
	if n := uint32(len(t.ids)); n > 0 {
		c.table = uint32(1) << bits.Len32(n*4/3) // the next power of two above n/0.75
	}
	c.ids = t.ordered()
	c.has = NewIDs(c.ids...)
	return c
}

func (t *idTable) ordered() []int64 {
	ids := slices.Clone(t.ids)
	table := max(t.table, 1)
	slices.SortStableFunc(ids, func(a, b int64) int { return int(longBucket(a, table)) - int(longBucket(b, table)) })
	return ids
}

func longBucket(id int64, table uint32) uint32 {
	h := uint32(id) ^ uint32(uint64(id)>>32)
	return (h ^ h>>16) & (table - 1)
}
