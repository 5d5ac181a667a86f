package replica

import (
	"bufio"
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

	"github.com/zkctl/zkctl/internal/disk"
	"github.com/zkctl/zkctl/internal/storage"
	"github.com/zkctl/zkctl/internal/tempdir"
)

// The two commands added in 3.9. Both require an Authorization.
var (
	snapshotNames = []string{"snapshot", "snap"}
	restoreNames  = []string{"restore", "rest"}
)

// takeSnapshot sends a snapshot as a file or, with streaming=false, only writes it to the data
// directory. As in 3.9, it is fuzzy if the server has more than a few znodes and writes continue
// meanwhile.
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
		a.s.metrics.Add("snapshot_rate_limited_count", 1)
		a.s.log.Warnf("Snapshot request was rate limited")
		a.write(w, http.StatusTooManyRequests, snapshotNames[0], nil)
		return
	}
	streaming := !args.Has("streaming") || strings.EqualFold(args.Get("streaming"), "true")
	dir, f, zxid, err := a.snapshotFile(streaming)
	defer dir.Remove()
	var size int64
	if err == nil {
		defer f.Close()
		var info os.FileInfo
		if info, err = f.Stat(); err == nil {
			size = info.Size()
		}
	}
	if err != nil {
		a.s.metrics.Add("snapshot_error_count", 1)
		a.s.log.Warnf("Exception occurred when taking the snapshot via the snapshot admin command: %v", err)
		a.write(w, http.StatusInternalServerError, snapshotNames[0], nil)
		return
	}
	// Not http.Header.Set, which would change the names that 3.9 sends.
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

// snapshotFile takes a snapshot. With send, the file is in a separate folder, dir, and ends as
// 3.9's does; otherwise it stays among the server's own snapshots.
func (a *admin) snapshotFile(send bool) (dir *tempdir.Dir, _ *os.File, zxid int64, err error) {
	s := a.s
	if !send {
		path, zxid, err := s.Save()
		if err != nil {
			return nil, nil, 0, err
		}
		f, err := os.Open(path)
		return nil, f, zxid, err
	}
	if dir, err = tempdir.Make("snapshot"); err != nil {
		return nil, nil, 0, err
	}
	began := time.Now()
	var v *saving
	if !s.do(func() { v = s.begin() }) {
		return dir, nil, 0, errClosed
	}
	zxid = v.stream.Zxid()
	path := filepath.Join(dir.Path(), storage.SnapshotName(zxid, ""))
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

// takeRestore checks a snapshot and replaces the server's data with it.
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
		a.s.metrics.Add("restore_rate_limited_count", 1)
		a.s.log.Warnf("Restore request was rate limited")
		a.write(w, http.StatusTooManyRequests, restoreNames[0], nil)
		return
	}
	zxid, err := a.restoreFrom(w, r.Body)
	if err != nil {
		a.s.metrics.Add("restore_error_count", 1)
		a.s.log.Warnf("Exception occurred when restore snapshot via the restore command: %v", err)
		a.write(w, http.StatusInternalServerError, restoreNames[0], nil)
		return
	}
	a.write(w, http.StatusOK, restoreNames[0], fields{{"last_zxid", zxid}})
}

// Differs(restore-bounded): Apache reads a restore's body into memory, however large it is and
// however long it takes. Anyone allowed to restore could bring the server down that way.
const (
	restoreMost    = 4 << 30          // bytes of an uncompressed snapshot
	restoreLongest = 10 * time.Minute // to receive it
)

// restoreFrom writes a snapshot to disk, checks it there, and replaces the server's data with it.
// It uses at most half of the free space, because the server's log needs some too.
func (a *admin) restoreFrom(w http.ResponseWriter, body io.Reader) (zxid int64, err error) {
	began := time.Now()
	f, err := os.CreateTemp(a.s.opt.DataDir, ".restore-*.tmp") // of mode 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	_ = os.Remove(f.Name()) // at once, if the system can remove an open file
	most := int64(restoreMost)
	if space, err := disk.SpaceOf(filepath.Dir(f.Name())); err == nil {
		most = min(most, space.Free/2)
	}
	slow := &patientBody{body, http.NewResponseController(w), a.opt.IdleTimeout, began.Add(restoreLongest)}
	if err := receive(f, slow, most); err != nil {
		return 0, fmt.Errorf("receive the snapshot: %w", err)
	}
	tree, trailer, err := storage.ReadTreeOf(f, storage.SnapshotName(0, ""))
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
		return 0, errors.New("the snapshot does not contain its last zxid (3.9 writes it with serializeLastProcessedZxidEnabled)")
	}
	tree.SetLastZxid(zxid)
	if err := a.opt.Restore(tree); err != nil {
		return 0, err
	}
	a.s.metrics.Took("restore_time", time.Since(began))
	a.s.log.Infof("Restored %d znodes at zxid 0x%x in %d ms", tree.Len(), uint64(zxid), time.Since(began).Milliseconds())
	return zxid, nil
}

// receive writes a snapshot to a file, uncompressed, up to most bytes.
func receive(f *os.File, body io.Reader, most int64) error {
	packed := bufio.NewReaderSize(io.LimitReader(body, most+1), 64<<10)
	src, err := storage.Decompress(packed, most)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(src, most+1))
	switch {
	case err != nil:
		return err
	case n > most:
		return fmt.Errorf("it has more than %d bytes: put it into the folder version-2 while the server is stopped", most)
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// patientBody is a request's body with a time limit for each piece and a deadline for the whole.
type patientBody struct {
	io.Reader
	control  *http.ResponseController
	patience time.Duration
	until    time.Time
}

func (b *patientBody) Read(p []byte) (int, error) {
	if err := b.control.SetReadDeadline(patientUntil(b.patience, b.until)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return b.Reader.Read(p)
}
