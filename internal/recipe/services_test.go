package recipe

import (
	"fmt"
	"testing"

	"github.com/zkctl/zkctl/internal/proto"
)

const kafkaBroker = `{"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://k1:9092","SSL://k1:9093"],"jmx_port":-1,"host":"k1","port":9092,"version":4,"timestamp":"1700000000000"}`

// Registrations as the projects write them.
func TestServices(t *testing.T) {
	const session = 0x100000a3b2f0001
	var r Registry
	for _, test := range []struct {
		path, data string
		owner      int64
		want       string
	}{
		{"/kyuubi/serviceUri=10.0.0.1:10009;version=1.8.0;sequence=0000000003", "10.0.0.1:10009", session, "kyuubi /kyuubi 0000000003 10.0.0.1:10009 1.8.0"},
		{"/hiveserver2/serverUri=h1:10000;version=3.1.3;sequence=0000000000", "hive.server2.instance.uri=h1:10000", session, "hive /hiveserver2 0000000000 h1:10000 3.1.3"},
		{"/kafka/brokers/ids/7", kafkaBroker, session, "kafka /kafka/brokers/ids 7 PLAINTEXT://k1:9092,SSL://k1:9093 "},
		{"/controller", `{"version":2,"brokerid":7,"timestamp":"1700000000000","kraftControllerEpoch":-1}`, session, "kafka /controller 7  "},
		{"/services/orders/3d1f", `{"name":"orders","id":"3d1f","address":"10.1.1.1","port":8080,"sslPort":8443,"payload":null,"registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC","uriSpec":null}`,
			session, "curator orders 3d1f 10.1.1.1:8080,10.1.1.1:8443 "},
		{"/twitter/web/member_0000000012", `{"serviceEndpoint":{"host":"web1","port":31000},"additionalEndpoints":{},"status":"ALIVE"}`, session, "serverset /twitter/web 0000000012 web1:31000 "},
		{"/dubbo/com.acme.Orders/providers/dubbo%3A%2F%2F10.0.0.5%3A20880%2Fcom.acme.Orders%3Fanyhost%3Dtrue%26version%3D1.2.0", "", session,
			"dubbo com.acme.Orders provider dubbo://10.0.0.5:20880 1.2.0"},
		{"/hbase/rs/rs1.acme,16020,1700000000000", "", session, "hbase /hbase/rs 1700000000000 rs1.acme:16020 "},
		{"/hbase/master", "\xff\x00\x00\x00\x0bmaster:1600PBUF\n\x0f\n\x07m1.acme\x10\x80}\x18\x01\x10\x00", session, "hbase /hbase/master  m1.acme:16000 "},
		{"/solr/live_nodes/10.0.0.9:8983_solr", "", session, "solr /solr/live_nodes 10.0.0.9:8983_solr http://10.0.0.9:8983/solr "},
		{"/clickhouse/tables/01/events/replicas/r1/host", "host: ch1\nport: 9009\ntcp_port: 9000\ndatabase: default\ntable: events\nscheme: http\n", 0, ""},
		{"/clickhouse/tables/01/events/replicas/r1/is_active", "5f0e", session, "clickhouse /clickhouse/tables/01/events r1 ch1:9000 "},
		{"/pulsar/loadbalance/brokers/b1:8080", `{"webServiceUrl":"http://b1:8080"}`, session, "address /pulsar/loadbalance/brokers b1:8080 b1:8080 "},
		{"/pulsar/loadbalance/brokers/b2:8080", "", 0, ""}, // not ephemeral
		{"/app/config", `{"name":"x"}`, 0, ""},
		{"/app/leader", "x", session, ""},
		{"/", "", 0, ""},
	} {
		got := ""
		if s, ok := r.Read(test.path, []byte(test.data), proto.Stat{EphemeralOwner: test.owner}); ok {
			got = fmt.Sprintf("%s %s %s %s %s", s.Layout, s.Name, s.ID, s.Address, s.Version)
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.path, got, test.want)
		}
	}
}

func FuzzServices(f *testing.F) {
	f.Add("/hbase/master", []byte("\xff\x00\x00\x00\x0bmaster:1600PBUF\n\x0f\n\x07m1.acme\x10\x80}\x18\x01\x10\x00"))
	f.Add("/a/brokers/ids/7", []byte(kafkaBroker))
	f.Add("/a/replicas/r/host", []byte("host: a\ntcp_port: 1"))
	f.Add("/dubbo/x/providers/%3A%2F%2F", []byte{})
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		var r Registry
		if s, ok := r.Read(path, data, proto.Stat{EphemeralOwner: 1}); ok && s.Layout == "" {
			t.Errorf("%q: %+v", path, s)
		}
	})
}
