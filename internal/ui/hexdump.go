package ui

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// HexDumpWidth is the number of columns of a hex dump with 16 bytes a row.
const HexDumpWidth = 76

// HexDump shows bytes in a frame, perRow (at most 16) per row. With 16 it is what zkCli prints,
// which is netty's ByteBufUtil.prettyHexDump. For no bytes it returns "". There is no final line
// break.
func HexDump(data []byte, perRow int) string {
	if len(data) == 0 {
		return ""
	}
	line := strings.Repeat("-", 3*perRow+1)
	var b strings.Builder
	fmt.Fprintf(&b, "         +%s+\n         |", line)
	for i := range perRow {
		fmt.Fprintf(&b, "  %x", i)
	}
	edge := "+--------+" + line + "+" + strings.Repeat("-", perRow) + "+"
	fmt.Fprintf(&b, " |\n%s\n", edge)
	for at := 0; at < len(data); at += perRow {
		row := data[at:min(at+perRow, len(data))]
		fmt.Fprintf(&b, "|%08x|", at)
		for _, c := range row {
			fmt.Fprintf(&b, " %02x", c)
		}
		b.WriteString(strings.Repeat("   ", perRow-len(row)) + " |")
		for _, c := range row {
			if c < 0x20 || c >= 0x7f {
				c = '.'
			}
			b.WriteByte(c)
		}
		b.WriteString(strings.Repeat(" ", perRow-len(row)) + "|\n")
	}
	b.WriteString(edge)
	return b.String()
}

// HexRows shows bytes in rows of 16: in hex, then what is given to stand between, then as text.
func HexRows(data []byte, between string) string {
	var b strings.Builder
	for row := range slices.Chunk(data, 16) {
		text := bytes.Clone(row)
		for i, c := range text {
			if c < 0x20 || c >= 0x7f {
				text[i] = '.'
			}
		}
		fmt.Fprintf(&b, "%-47s%s%s\n", fmt.Sprintf("% x", row), between, text)
	}
	return b.String()
}
