package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zkctl/zkctl/internal/await"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/port"
)

// etcd is one member of etcd.
type etcd struct {
	cmd *exec.Cmd
	url string
}

func startEtcd(ctx context.Context, dir string) (*etcd, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var urls [2]string
	for i := range urls {
		p, err := port.Free()
		if err != nil {
			return nil, err
		}
		urls[i] = "http://127.0.0.1:" + strconv.Itoa(p)
	}
	e := &etcd{url: urls[0], cmd: exec.CommandContext(ctx, "etcd", "--name", "one", "--data-dir", filepath.Join(dir, "data"),
		"--listen-client-urls", urls[0], "--advertise-client-urls", urls[0], "--listen-peer-urls", urls[1],
		"--initial-advertise-peer-urls", urls[1], "--initial-cluster", "one="+urls[1])}
	log, err := os.Create(filepath.Join(dir, "etcd.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.cmd.Stdout, e.cmd.Stderr = log, log
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := await.Until(limited, func() bool {
		_, err := e.count(limited)
		return err == nil
	}); err != nil {
		e.stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start etcd: %w: %s", err, tail(string(text)))
	}
	return e, nil
}

func (e *etcd) stop() {
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait() // it was killed
}

// post calls the JSON gateway, in which keys and values are base64, as encoding/json writes bytes.
func (e *etcd) post(ctx context.Context, path string, request, reply any) error {
	body, err := escape.MarshalJSON(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("etcd %s: %s: %s", path, res.Status, text)
	}
	if err == nil {
		err = json.Unmarshal(text, reply)
	}
	return err
}

// everything is a range that holds all keys.
var everything = []byte{0}

// count returns how many keys there are.
func (e *etcd) count(ctx context.Context) (int, error) {
	var reply struct {
		Count string `json:"count"`
	}
	err := e.post(ctx, "/v3/kv/range", map[string]any{"key": everything, "range_end": everything, "count_only": true}, &reply)
	if err != nil || reply.Count == "" {
		return 0, err
	}
	return strconv.Atoi(reply.Count)
}

// putAll puts keys, with values of one byte.
func (e *etcd) putAll(ctx context.Context, keys []string) error {
	const most = 128 // operations of a transaction, by default
	for len(keys) > 0 {
		n := min(most, len(keys))
		ops := make([]any, n)
		for i, key := range keys[:n] {
			ops[i] = map[string]any{"request_put": map[string]any{"key": []byte(key), "value": []byte("x")}}
		}
		var reply struct{}
		if err := e.post(ctx, "/v3/kv/txn", map[string]any{"success": ops}, &reply); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// mirrorTime is how long make-mirror may take; then what it has copied by then counts.
const mirrorTime = 30 * time.Second

// etcdCopy returns how many keys a second etcdctl make-mirror copies.
func (m *moving) etcdCopy(ctx context.Context) (float64, error) {
	progress("the first copy of etcdctl make-mirror")
	var ends [2]*etcd
	for i := range ends {
		var err error
		if ends[i], err = startEtcd(ctx, filepath.Join(m.dir, "etcd"+strconv.Itoa(i))); err != nil {
			return 0, err
		}
		defer ends[i].stop()
	}
	keys := []string{"/one"}
	for p := range movedParents {
		parent := fmt.Sprintf("/one/parent-%04d", p)
		keys = append(keys, parent)
		for c := range movedChildren {
			keys = append(keys, fmt.Sprintf("%s/child-%05d", parent, c))
		}
	}
	if err := ends[0].putAll(ctx, keys); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "etcdctl", "--endpoints", ends[0].url, "make-mirror", ends[1].url[len("http://"):])
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, mirrorTime)
	defer cancel()
	n := 0
	_ = await.Until(limited, func() bool { // that the time is over is no error
		n, _ = ends[1].count(ctx)
		return n == len(keys)
	})
	took := time.Since(start)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	switch {
	case n == 0:
		return 0, fmt.Errorf("etcdctl make-mirror copied nothing in %v: %s", took, tail(stderr.String()))
	case n < len(keys):
		m.facts = append(m.facts, fmt.Sprintf("`etcdctl make-mirror` copied %s of %s keys in %v, after which it was ended", thousands(n), thousands(len(keys)), mirrorTime))
	}
	return float64(n) / took.Seconds(), nil
}
