package answer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/escape"
)

// Object is a JSON object of an AdminServer. Its numbers are json.Number, because session ids have 64 bits.
type Object struct {
	keys   []string
	fields map[string]any
}

// ParseAdmin parses the answer to a command. It always contains the command's name and an error, which is null on
// success.
func ParseAdmin(body []byte) (Object, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var o Object
	if err := o.decode(d); err != nil || o.fields["command"] == nil {
		return Object{}, notUnderstood("AdminServer's JSON", body)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Object{}, notUnderstood("AdminServer's JSON", body)
	}
	if text, failed := o.fields["error"].(string); failed && text != "" {
		return o, &AdminError{Command: o.Text("command"), Text: text}
	}
	return o, nil
}

// decode keeps the order of the keys.
func (o *Object) decode(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(err, ErrNotUnderstood)
	}
	o.fields = map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		var v any
		if err := d.Decode(&v); err != nil {
			return err
		}
		if _, twice := o.fields[key]; !twice {
			o.keys = append(o.keys, key)
		}
		o.fields[key] = v
	}
	_, err := d.Token()
	return err
}

// AdminError is an AdminServer's error.
type AdminError struct{ Command, Text string }

func (e *AdminError) Error() string { return fmt.Sprintf("%s: %s", e.Command, e.Text) }

// Text returns a field's string, or "" if there is none.
func (o Object) Text(key string) string {
	s, _ := o.fields[key].(string)
	return s
}

// Keys returns the names of the fields in the server's order, without command and error.
func (o Object) Keys() []string {
	return slices.DeleteFunc(slices.Clone(o.keys), func(k string) bool { return k == "command" || k == "error" })
}

// Value returns a field's value as encoding/json decodes it.
func (o Object) Value(key string) any { return o.fields[key] }

func (o Object) object(key string) Object {
	m, _ := o.fields[key].(map[string]any)
	return objectOf(m)
}

func objectOf(m map[string]any) Object {
	o := Object{fields: m}
	for k := range m {
		o.keys = append(o.keys, k)
	}
	slices.Sort(o.keys)
	return o
}

func (o Object) list(key string) []any {
	l, _ := o.fields[key].([]any)
	return l
}

func (o Object) flag(key string) Opt[bool] {
	if v, ok := o.fields[key].(bool); ok {
		return Some(v)
	}
	return Opt[bool]{}
}

func (o Object) number(key string) Opt[float64] {
	if n, ok := o.fields[key].(json.Number); ok {
		return number(n.String())
	}
	return Opt[float64]{}
}

func (o Object) int(key string) Opt[int64] { return toInt(o.fields[key]) }
func (o Object) hex(key string) Opt[Hex]   { return toHex(o.fields[key]) }

func toInt(v any) Opt[int64] {
	if n, ok := v.(json.Number); ok {
		return whole(n.String())
	}
	return Opt[int64]{}
}

func toHex(v any) Opt[Hex] {
	if n, ok := toInt(v).Get(); ok {
		return Some(Hex(n))
	}
	return Opt[Hex]{}
}

// keyID parses a session id that is a key of an object.
func keyID(key string) Opt[Hex] {
	if n, err := strconv.ParseInt(key, 10, 64); err == nil {
		return Some(Hex(n))
	}
	return Opt[Hex]{}
}

// Metrics returns the metrics of monitor, with mntr's names.
func (o Object) Metrics() *Metrics {
	m := newMetrics()
	for _, key := range o.Keys() {
		switch v := o.fields[key].(type) {
		case json.Number:
			m.add("zk_"+key, v.String())
		case string:
			m.add("zk_"+key, v)
		case bool:
			m.add("zk_"+key, strconv.FormatBool(v))
		}
	}
	return m
}

// Srvr returns the content of server_stats or stats.
func (o Object) Srvr() *Srvr {
	s := o.object("server_stats")
	r := &Srvr{
		ReadOnly:   o.flag("read_only").Or(false),
		LatencyMin: s.number("min_latency"), LatencyAvg: s.number("avg_latency"), LatencyMax: s.number("max_latency"),
		Received: s.int("packets_received"), Sent: s.int("packets_sent"),
		Connections: s.int("num_alive_client_connections"), Outstanding: s.int("outstanding_requests"),
		Zxid: s.hex("last_processed_zxid"), Mode: s.Text("server_state"), Znodes: o.int("node_count"), Uptime: s.int("uptime"),
	}
	r.setVersion(o.Text("version"))
	if o.fields["connections"] != nil {
		r.Clients = o.Connections()
	}
	return r
}

// Connections returns the connections of connections or stats.
func (o Object) Connections() []*Connection {
	list := []*Connection{}
	for _, key := range []string{"connections", "secure_connections"} {
		for _, v := range o.list(key) {
			m, _ := v.(map[string]any)
			f := objectOf(m)
			c := &Connection{
				Address: clientAddress(f.Text("remote_socket_address")), Secure: key == "secure_connections",
				Interest: f.int("interest_ops"), Queued: f.int("outstanding_requests"),
				Received: f.int("packets_received"), Sent: f.int("packets_sent"), Session: f.hex("session_id"),
				LastOp: operation(f.Text("last_operation")), Established: established(f.fields["established"]), Timeout: f.int("session_timeout"),
				LastCxid: f.hex("last_cxid"), LastZxid: f.hex("last_zxid"), LastResponse: f.int("last_response_time"),
				LastLatency: f.number("last_latency"), MinLatency: f.number("min_latency"),
				AvgLatency: f.number("avg_latency"), MaxLatency: f.number("max_latency"),
			}
			if c.Session.Or(0) == 0 {
				c.Session = Opt[Hex]{}
			}
			list = append(list, c)
		}
	}
	return list
}

// established parses ms since 1970; it ignores a list of a date's fields.
func established(v any) Opt[int64] { return toInt(v) }

// Settings returns the fields of configuration or environment.
func (o Object) Settings() *Settings {
	s := &Settings{}
	for _, key := range o.Keys() {
		switch v := o.fields[key].(type) {
		case json.Number:
			s.add(key, v.String())
		case string:
			s.add(key, v)
		case bool:
			s.add(key, strconv.FormatBool(v))
		}
	}
	return s
}

// ClientPort returns the client port in configuration.
func (o Object) ClientPort() Opt[int64] { return o.int("client_port") }

// ServerID returns the member's id in configuration; a server without a myid has none.
func (o Object) ServerID() Opt[int64] { return o.int("server_id") }

// LastSnapshot returns the zxid in last_snapshot; unknown if there is no snapshot.
func (o Object) LastSnapshot() Opt[Hex] {
	zxid := hex(o.Text("zxid"))
	if zxid.Or(-1) == -1 {
		return Opt[Hex]{}
	}
	return zxid
}

// Dump returns the content of dump.
func (o Object) Dump() *Dump {
	d := &Dump{Sessions: []*SessionTimeout{}, Ephemerals: o.sessionPaths("session_id_to_ephemeral_paths")}
	expiries := o.object("expiry_time_to_session_ids")
	for _, key := range expiries.keys {
		e := &Expiry{At: whole(key), Sessions: ids(expiries.list(key))}
		d.Expiries = append(d.Expiries, e)
		for _, id := range e.Sessions {
			d.Sessions = append(d.Sessions, &SessionTimeout{Session: id})
		}
	}
	return d
}

func ids(list []any) (found []Hex) {
	found = []Hex{}
	for _, v := range list {
		if id, ok := toHex(v).Get(); ok {
			found = append(found, id)
		}
	}
	return found
}

func (o Object) sessionPaths(key string) []*SessionPaths {
	list := []*SessionPaths{}
	m := o.object(key)
	for _, k := range m.keys {
		id, ok := keyID(k).Get()
		if !ok {
			continue
		}
		s := &SessionPaths{Session: id}
		for _, v := range m.list(k) {
			if path, ok := v.(string); ok {
				s.Paths = append(s.Paths, path)
			}
		}
		list = append(list, s)
	}
	return list
}

// WatchSummary returns the content of watch_summary.
func (o Object) WatchSummary() *WatchSummary {
	return &WatchSummary{Connections: o.int("num_connections"), Paths: o.int("num_paths"), Watches: o.int("num_total_watches")}
}

// WatchesBySession returns the content of watches.
func (o Object) WatchesBySession() []*SessionPaths {
	return o.sessionPaths("session_id_to_watched_paths")
}

// WatchesByPath returns the content of watches_by_path.
func (o Object) WatchesByPath() []*PathSessions {
	list := []*PathSessions{}
	m := o.object("path_to_session_ids")
	for _, k := range m.keys {
		list = append(list, &PathSessions{Path: k, Sessions: ids(m.list(k))})
	}
	return list
}

// Dirs returns the content of dirs.
func (o Object) Dirs() *Dirs { return &Dirs{Data: o.int("datadir_size"), Log: o.int("logdir_size")} }

// Digests returns the digests of hash.
func (o Object) Digests() []*Digest {
	list := []*Digest{}
	for _, v := range o.list("digests") {
		m, _ := v.(map[string]any)
		f := objectOf(m)
		zxid, ok := f.hex("zxid").Get()
		digest, ok2 := f.hex("digest").Get()
		if ok && ok2 {
			list = append(list, &Digest{Zxid: zxid, Digest: digest, Version: f.int("digest_version")})
		}
	}
	return list
}

// MarshalJSON writes the object as the server did, in its order.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := escape.MarshalJSON(key)
		if err != nil {
			return nil, err
		}
		v, err := escape.MarshalJSON(o.fields[key])
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// CommandsOf returns the names in the page of links at an AdminServer's /commands.
func CommandsOf(page []byte) (names []string) {
	for _, part := range strings.Split(string(page), "<a href=\"")[1:] {
		link, _, ok := strings.Cut(part, "\"")
		name := link[strings.LastIndexByte(link, '/')+1:]
		if ok && name != "" && strings.IndexFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) < 0 {
			names = append(names, name)
		}
	}
	return names
}
