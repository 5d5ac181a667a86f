package recipe

import (
	"encoding/json"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/proto"
)

// Service is a registration: somebody offers something somewhere.
type Service struct {
	Layout  string // whose layout it is
	Name    string // of the service
	ID      string // of this one among those that offer it
	Address string // host:port, a URL, or several with commas; "" if the registration does not say
	Version string
	Path    string // of the znode
	Stat    proto.Stat
}

// Registry recognises registrations in a tree that is shown to it parent before child, siblings by the bytes of their names.
type Registry struct {
	hosts map[string]string // ClickHouse's address of a replica, by its znode
}

// Read returns the registration in a znode, if it is one.
func (r *Registry) Read(znode string, data []byte, stat proto.Stat) (s Service, ok bool) {
	dir, name := path.Split(znode)
	dir = path.Clean(dir)
	n := node{path: znode, dir: dir, name: name, up: path.Base(dir), data: data, ephemeral: proto.EphemeralTypeOf(stat.EphemeralOwner) == proto.EphemeralNormal}
	if n.name == "host" && path.Base(path.Dir(dir)) == "replicas" && !n.ephemeral {
		if r.hosts == nil || len(r.hosts) > 1000 { // only the neighbours are asked for
			r.hosts = map[string]string{}
		}
		r.hosts[dir] = clickHouseAddress(data)
		return s, false
	}
	if n.name == "is_active" && n.ephemeral && path.Base(path.Dir(dir)) == "replicas" {
		table := path.Dir(path.Dir(dir))
		return Service{Layout: "clickhouse", Name: table, ID: n.up, Address: r.hosts[dir], Path: znode, Stat: stat}, true
	}
	for _, read := range readers {
		if s, ok = read(&n); ok {
			s.Path, s.Stat = znode, stat
			return s, true
		}
	}
	return s, false
}

// node is a znode as the readers see it.
type node struct {
	path, dir, name, up string // up is the name of its parent
	data                []byte
	ephemeral           bool
}

// object reads the data as JSON.
func (n *node) object(v any) bool {
	return len(n.data) > 1 && n.data[0] == '{' && json.Unmarshal(n.data, v) == nil
}

// readers recognise one layout each, the more certain first.
var readers = []func(n *node) (Service, bool){readURI, readKafka, readCurator, readServerSet, readDubbo, readHBase, readSolr, readHostPort}

// readURI reads names such as serviceUri=host:port;version=1.8.0;sequence=0000000000, of Kyuubi, and serverUri=…, of HiveServer2.
func readURI(n *node) (s Service, ok bool) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(n.name, ";") {
		if key, value, is := strings.Cut(part, "="); is {
			fields[key] = value
		}
	}
	s.Layout, s.Address = "kyuubi", fields["serviceUri"]
	if s.Address == "" {
		s.Layout, s.Address = "hive", fields["serverUri"]
	}
	s.Name, s.ID, s.Version = n.dir, fields["sequence"], fields["version"]
	return s, s.Address != ""
}

// readKafka reads brokers: /brokers/ids/0 with JSON; and the controller.
func readKafka(n *node) (s Service, ok bool) {
	var broker struct {
		Endpoints []string `json:"endpoints"`
		Host      string   `json:"host"`
		Port      int      `json:"port"`
		ID        *int     `json:"brokerid"`
	}
	switch {
	case !n.ephemeral || !n.object(&broker):
		return s, false
	case n.up == "ids" && path.Base(path.Dir(n.dir)) == "brokers":
		s.Name, s.ID, s.Address = n.dir, n.name, strings.Join(broker.Endpoints, ",")
		if s.Address == "" && broker.Host != "" {
			s.Address = net.JoinHostPort(broker.Host, strconv.Itoa(broker.Port))
		}
	case n.name == "controller" && broker.ID != nil:
		s.Name, s.ID = n.path, strconv.Itoa(*broker.ID)
	default:
		return s, false
	}
	s.Layout = "kafka"
	return s, true
}

// readCurator reads instances of Curator's service discovery (ServiceInstance): Spring Cloud, Dubbo's and others'.
func readCurator(n *node) (s Service, ok bool) {
	var instance struct {
		Name    string `json:"name"`
		ID      string `json:"id"`
		Address string `json:"address"`
		Port    *int   `json:"port"`
		SSLPort *int   `json:"sslPort"`
		Type    string `json:"serviceType"`
	}
	if !n.object(&instance) || instance.Name == "" || instance.Type == "" {
		return s, false
	}
	s.Layout, s.Name, s.ID = "curator", instance.Name, instance.ID
	for _, port := range []*int{instance.Port, instance.SSLPort} {
		if port != nil && *port > 0 {
			s.Address = join(s.Address, net.JoinHostPort(instance.Address, strconv.Itoa(*port)))
		}
	}
	if s.Address == "" {
		s.Address = instance.Address
	}
	return s, true
}

func join(list, more string) string {
	if list == "" {
		return more
	}
	return list + "," + more
}

// readServerSet reads members of a Finagle server set: member_0000000001 with JSON.
func readServerSet(n *node) (s Service, ok bool) {
	var member struct {
		Endpoint struct {
			Host string `json:"host"`
			Port int    `json:"port"`
		} `json:"serviceEndpoint"`
	}
	if !strings.HasPrefix(n.name, "member_") || !n.object(&member) || member.Endpoint.Host == "" {
		return s, false
	}
	return Service{Layout: "serverset", Name: n.dir, ID: strings.TrimPrefix(n.name, "member_"),
		Address: net.JoinHostPort(member.Endpoint.Host, strconv.Itoa(member.Endpoint.Port))}, true
}

// readDubbo reads /dubbo/INTERFACE/providers/URL, with the URL escaped.
func readDubbo(n *node) (s Service, ok bool) {
	if !slices.Contains([]string{"providers", "consumers"}, n.up) || !strings.Contains(n.name, "%3A%2F%2F") {
		return s, false
	}
	text, err := url.QueryUnescape(n.name)
	if err != nil {
		return s, false
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return s, false
	}
	return Service{Layout: "dubbo", Name: path.Base(path.Dir(n.dir)), ID: strings.TrimSuffix(n.up, "s"), Address: u.Scheme + "://" + u.Host,
		Version: u.Query().Get("version")}, true
}

// readHBase reads server names, host,port,startcode: in /hbase/rs and /hbase/backup-masters as names, in /hbase/master only in a
// protocol buffer.
func readHBase(n *node) (s Service, ok bool) {
	parts := strings.Split(n.name, ",")
	switch {
	case !n.ephemeral:
		return s, false
	case n.name == "master" && len(n.data) > 4 && n.data[0] == 0xff:
		return Service{Layout: "hbase", Name: n.path, Address: hbaseMaster(n.data)}, true
	case len(parts) != 3 || !digits(parts[1]) || !digits(parts[2]):
		return s, false
	}
	return Service{Layout: "hbase", Name: n.dir, ID: parts[2], Address: net.JoinHostPort(parts[0], parts[1])}, true
}

// hbaseMaster finds the address in /hbase/master. After a header comes PBUF and a message whose first field is a ServerName: the host, and
// the port as a varint.
func hbaseMaster(data []byte) string {
	_, message, ok := strings.Cut(string(data), "PBUF")
	if !ok {
		return ""
	}
	field := func(tag byte) (uint64, bool) { // and the varint after it
		if message == "" || message[0] != tag {
			return 0, false
		}
		var v uint64
		for i := 1; i < len(message) && i < 10; i++ {
			v |= uint64(message[i]&0x7f) << (7 * (i - 1))
			if message[i] < 0x80 {
				message = message[i+1:]
				return v, true
			}
		}
		return 0, false
	}
	if _, ok := field(0x0a); !ok { // Master.master
		return ""
	}
	length, ok := field(0x0a) // ServerName.host_name
	if !ok || length > uint64(len(message)) {
		return ""
	}
	host := message[:length]
	message = message[length:]
	port, ok := field(0x10)
	if !ok {
		return host
	}
	return net.JoinHostPort(host, strconv.FormatUint(port, 10))
}

// readSolr reads /live_nodes/host:8983_solr.
func readSolr(n *node) (s Service, ok bool) {
	address, context, is := strings.Cut(n.name, "_")
	if !n.ephemeral || n.up != "live_nodes" || !is || !isHostPort(address) {
		return s, false
	}
	if text, err := url.QueryUnescape(context); err == nil { // further slashes are escaped
		context = text
	}
	return Service{Layout: "solr", Name: n.dir, ID: n.name, Address: "http://" + address + "/" + context}, true
}

// readHostPort reads ephemeral znodes whose name is an address, as many projects make them.
func readHostPort(n *node) (s Service, ok bool) {
	if !n.ephemeral || !isHostPort(n.name) {
		return s, false
	}
	return Service{Layout: "address", Name: n.dir, ID: n.name, Address: n.name}, true
}

func isHostPort(text string) bool {
	host, port, err := net.SplitHostPort(text)
	return err == nil && host != "" && digits(port)
}

func digits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// clickHouseAddress reads the znode host of a replica: lines such as "host: db1" and "tcp_port: 9000".
func clickHouseAddress(data []byte) string {
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	switch host, port := fields["host"], fields["tcp_port"]; {
	case host == "" || port == "":
		return host
	default:
		return net.JoinHostPort(host, port)
	}
}
