package ensemble

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkctl/zkctl/ensemble/internal/redact"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/lazyre"
	"github.com/zkctl/zkctl/internal/version"
)

// Bounds of a bundle, before it is compressed.
const (
	mostFile   = 8 << 20   // bytes of one file
	mostBundle = 256 << 20 // bytes of all
)

// bundle is what has been collected. Its methods may be called from any goroutine, but for write and names.
type bundle struct {
	began      time.Time
	pseudonyms redact.Pseudonyms

	mu      sync.Mutex
	entries []bundleEntry
	missing []bundleLack
	clocks  []clockOffset
	size    int64
}

// bundleEntry is a file of the bundle.
type bundleEntry struct {
	Name  string `json:"name"`
	From  string `json:"from"` // a member, a file, or zkctl
	Bytes int    `json:"bytes"`
	Cut   int64  `json:"cut,omitempty"` // bytes that are left out
	data  []byte
}

// bundleLack is what the bundle has not.
type bundleLack struct {
	Name string `json:"name"`
	From string `json:"from,omitempty"`
	Why  string `json:"why"`
}

// add adds a file of which cut bytes were left out.
func (b *bundle) add(name, from string, data []byte, cut int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size+int64(len(data)) > mostBundle {
		b.missing = append(b.missing, bundleLack{name, from, fmt.Sprintf("the bundle is full: it may have %d MiB", mostBundle>>20)})
		return
	}
	b.size += int64(len(data))
	b.entries = append(b.entries, bundleEntry{Name: name, From: from, data: data, Cut: cut})
}

// addText adds the beginning of a text, up to the end of a line.
func (b *bundle) addText(name, from string, text []byte) {
	whole := len(text)
	if whole > mostFile {
		text = text[:mostFile]
		if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
			text = text[:i+1]
		}
	}
	b.add(name, from, text, int64(whole-len(text)))
}

// lack notes what could not be had, and why.
func (b *bundle) lack(name, from string, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.missing = append(b.missing, bundleLack{strings.TrimSuffix(name, "/"), from, why.Error()})
}

var (
	// saysWho finds whom and where a process says it is, in envi and in JSON.
	saysWho = lazyre.New(`\b(host|user)\.name"?\s*[=:]\s*"?([^\s",]+)`)
	// serverLine finds a member's host in a configuration.
	serverLine = lazyre.New(`server\.\d+\s*=\s*\[?([^\s:;\]|]+)`)
)

// write writes the archive without secrets, and with pseudonyms if there are to be any. It returns its size before
// compression.
func (b *bundle) write(w io.Writer, pseudonyms bool) (size int64, err error) {
	clean := func(text []byte) []byte {
		text = redact.Secrets(text)
		if pseudonyms {
			text = b.pseudonyms.Replace(text)
		}
		return text
	}
	slices.SortFunc(b.entries, func(x, y bundleEntry) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(b.missing, func(x, y bundleLack) int { return strings.Compare(x.Name, y.Name) })
	slices.SortFunc(b.clocks, func(x, y clockOffset) int { return strings.Compare(x.Address, y.Address) })
	for i := range b.entries {
		e := &b.entries[i]
		e.data = clean(e.data)
		e.Bytes = len(e.data)
	}
	if b.missing == nil {
		b.missing = []bundleLack{}
	}
	if b.clocks == nil {
		b.clocks = []clockOffset{}
	}
	manifest, err := escape.MarshalJSONFile(struct {
		Version  string        `json:"version"` // of zkctl
		Time     int64         `json:"time"`
		Redacted bool          `json:"redacted"`
		Clocks   []clockOffset `json:"clocks"` // of members; positive if ahead of the machine that asked
		Files    []bundleEntry `json:"files"`
		Missing  []bundleLack  `json:"missing"`
	}{version.String(), b.began.UnixMilli(), pseudonyms, b.clocks, b.entries, b.missing})
	if err != nil {
		return 0, err
	}
	compressed := gzip.NewWriter(w)
	archive := tar.NewWriter(compressed)
	folder := "zookeeper-" + b.began.UTC().Format("20060102T150405Z") + "/"
	put := func(name string, data []byte) error {
		size += int64(len(data))
		err := archive.WriteHeader(&tar.Header{Name: folder + name, Mode: 0o600, Size: int64(len(data)), ModTime: b.began, Format: tar.FormatPAX})
		if err == nil {
			_, err = archive.Write(data)
		}
		return err
	}
	if err := put("manifest.json", clean(manifest)); err != nil {
		return 0, err
	}
	for _, e := range b.entries {
		if err := put(e.Name, e.data); err != nil {
			return 0, err
		}
	}
	if err := archive.Close(); err != nil {
		return 0, err
	}
	return size, compressed.Close()
}

// limitedBuffer keeps the first bytes that are written to it.
type limitedBuffer struct {
	bytes.Buffer
	most int
	cut  int64
}

func (l *limitedBuffer) Write(p []byte) (int, error) {
	kept := p[:min(len(p), max(0, l.most-l.Len()))]
	l.Buffer.Write(kept)
	l.cut += int64(len(p) - len(kept))
	return len(p), nil
}
