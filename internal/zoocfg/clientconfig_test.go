package zoocfg

import "testing"

func TestClientConfig(t *testing.T) {
	const config = "server.2=h2:2888:3888:observer;[::1]:2182\nserver.10=h10:1:2;3\n" +
		"server.1=127.0.0.1:2888:3888:participant;0.0.0.0:2181\nserver.3=h3:1:2\nversion=100000000\n"
	version, servers := ClientConfig(config)
	if version != "100000000" || servers != "0.0.0.0:2181,[::1]:2182,,0.0.0.0:3" {
		t.Errorf("%q, %q", version, servers)
	}
}
