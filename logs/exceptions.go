package logs

import "bytes"

// rootCause returns the line of a stack trace that says what began it: of the last "Caused by", or of the first exception.
func rootCause(more []byte) []byte {
	if len(more) == 0 {
		return nil
	}
	if i := bytes.LastIndex(more, []byte("\nCaused by: ")); i >= 0 {
		return firstLine(more[i+len("\nCaused by: "):])
	}
	line := firstLine(more)
	if rest, ok := bytes.CutPrefix(line, []byte("Caused by: ")); ok {
		line = rest
	}
	name, _, _ := bytes.Cut(line, []byte(":"))
	if bytes.IndexByte(name, ' ') >= 0 || !bytes.HasSuffix(name, []byte("Exception")) && !bytes.HasSuffix(name, []byte("Error")) {
		return nil
	}
	return line
}

func firstLine(b []byte) []byte {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return line
}
