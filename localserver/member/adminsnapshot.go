package member

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/storage"
)

// The two commands that 3.9 has added. Both want an Authorization.
var (
	snapshotNames = []string{"snapshot", "snap"}
	restoreNames  = []string{"restore", "rest"}
)

// takeSnapshot sends a snapshot as a file, or with streaming=false only writes it to the
// data directory. As in 3.9 it is fuzzy when the server has more than a few znodes and writes
// go on meanwhile.
func (a *admin) takeSnapshot(w http.ResponseWriter, r *http.Request, command string, args url.Values) {
	if !a.authorized(w, r, command) {
		return
	}
	switch {
	case a.opt.NoSnapshot:
		a.s.log.Warnf("Snapshot command is disabled")
		a.write(w, http.StatusServiceUnavailable, snapshotNames[0], nil)
		return
	case !a.snapshot.allow():
		a.s.log.Warnf("Snapshot request was rate limited")
		a.write(w, http.StatusTooManyRequests, snapshotNames[0], nil)
		return
	}
	streaming := !args.Has("streaming") || strings.EqualFold(args.Get("streaming"), "true")
	dir, f, zxid, err := a.snapshotFile(streaming)
	defer os.RemoveAll(dir)
	var size int64
	if err == nil {
		defer f.Close()
		var info os.FileInfo
		if info, err = f.Stat(); err == nil {
			size = info.Size()
		}
	}
	if err != nil {
		a.s.log.Warnf("Exception occurred when taking the snapshot via the snapshot admin command: %v", err)
		a.write(w, http.StatusInternalServerError, snapshotNames[0], nil)
		return
	}
	// The names are not in the canonical form, so that they go out as 3.9 writes them.
	w.Header()["last_zxid"] = []string{"0x" + strconv.FormatUint(uint64(zxid), 16)}
	w.Header()["snapshot_size"] = []string{strconv.FormatInt(size, 10)}
	if !streaming {
		a.write(w, http.StatusOK, snapshotNames[0], nil)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	if r.Method == http.MethodHead {
		return
	}
	out := a.patient(w)
	if _, err = io.Copy(out, f); err == nil {
		err = out.Flush()
	}
	if err != nil {
		a.s.log.Warnf("Exception streaming out data to %s: %v", r.RemoteAddr, err)
	}
}

// snapshotFile takes a snapshot. One that is to be sent is in a folder of its own, dir, and
// has what 3.9 adds to its end; otherwise it stays where the server keeps its own.
func (a *admin) snapshotFile(send bool) (dir string, _ *os.File, zxid int64, err error) {
	s := a.s
	if !send {
		path, zxid, err := s.Save()
		if err != nil {
			return "", nil, 0, err
		}
		f, err := os.Open(path)
		return "", f, zxid, err
	}
	if dir, err = os.MkdirTemp("", "zkctl-snapshot-"); err != nil {
		return "", nil, 0, err
	}
	began := time.Now()
	var v *saving
	if !s.do(func() { v = s.begin() }) {
		return dir, nil, 0, errClosed
	}
	zxid = v.stream.Zxid()
	path := filepath.Join(dir, storage.SnapshotName(zxid, ""))
	file, err := storage.CreateSnapshot(path, storage.SnapshotOptions{LastProcessedZxid: true, NoDigest: s.opt.NoDigest})
	if err != nil {
		_ = s.drain(v, refuse{err})
		return dir, nil, 0, err
	}
	if err := s.drain(v, file); err != nil {
		file.Abandon()
		return dir, nil, 0, err
	}
	if err := file.Commit(v.stream.State()); err != nil {
		return dir, nil, 0, err
	}
	s.metrics.Took("snapshottime", time.Since(began))
	f, err := os.Open(path)
	return dir, f, zxid, err
}

// takeRestore replaces the server's data by a snapshot, which is checked first.
func (a *admin) takeRestore(w http.ResponseWriter, r *http.Request, command string) {
	if !a.authorized(w, r, command) {
		return
	}
	switch {
	case a.opt.NoRestore || a.opt.Restore == nil:
		a.s.log.Warnf("Restore command is disabled")
		a.write(w, http.StatusServiceUnavailable, restoreNames[0], nil)
		return
	case !a.restore.allow():
		a.s.log.Warnf("Restore request was rate limited")
		a.write(w, http.StatusTooManyRequests, restoreNames[0], nil)
		return
	}
	zxid, err := a.restoreFrom(&patientBody{r.Body, http.NewResponseController(w), a.opt.IdleTimeout})
	if err != nil {
		a.s.log.Warnf("Exception occurred when restore snapshot via the restore command: %v", err)
		a.write(w, http.StatusInternalServerError, restoreNames[0], nil)
		return
	}
	a.write(w, http.StatusOK, restoreNames[0], fields{{"last_zxid", zxid}})
}

func (a *admin) restoreFrom(body io.Reader) (zxid int64, err error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "zkctl-restore-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	path, err := receive(dir, body)
	if err != nil {
		return 0, fmt.Errorf("receive the snapshot: %w", err)
	}
	tree, trailer, err := storage.ReadTree(path)
	if err != nil {
		return 0, err
	}
	switch {
	case trailer.Seals == 0 || trailer.Extra != 0:
		return 0, errors.New("the snapshot is cut off: its checksum is missing")
	case trailer.LastProcessedZxid >= 0:
		zxid = trailer.LastProcessedZxid
	case trailer.Digest != nil:
		zxid = trailer.DigestZxid
	default:
		return 0, errors.New("the snapshot does not say which transaction was its last (3.9 writes that with serializeLastProcessedZxidEnabled)")
	}
	if err := a.opt.Restore(&treeReader{stream: storage.NewSnapshotStream(tree, true)}, zxid); err != nil {
		return 0, err
	}
	a.s.log.Infof("Restored %d znodes at zxid 0x%x in %d ms", tree.Len(), uint64(zxid), time.Since(began).Milliseconds())
	return zxid, nil
}

// receive writes a snapshot to a file whose name tells how it is compressed.
func receive(dir string, body io.Reader) (path string, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(body, head); err != nil {
		return "", err
	}
	compression := ""
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		compression = "gz"
	case string(head) != "ZKSN":
		compression = "snappy"
	}
	path = filepath.Join(dir, storage.SnapshotName(0, compression))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, io.MultiReader(bytes.NewReader(head), body))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return path, err
}

// treeReader yields a tree as Server.Restore takes it.
type treeReader struct {
	stream *storage.SnapshotStream
	piece  []byte
	room   []byte
	over   bool
}

func (r *treeReader) Read(p []byte) (int, error) {
	for len(r.piece) == 0 {
		if r.over {
			return 0, io.EOF
		}
		var more bool
		r.room, more = r.stream.Step(r.room[:0], time.Millisecond)
		r.piece, r.over = r.room, !more
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}
