package zoocfg

import "strings"

// Texts that identify the kind of a warning.
const (
	noEffectHere = "has no effect here"
	repeated     = "is set again further down; the last line wins"
	oneServer    = "Invalid configuration, only one server specified (ignoring): it runs standalone"
	noFailure    = "No server failure will be tolerated. You need at least 3 servers."
	evenVoters   = "Non-optimal configuration, consider an odd number of servers."
)

const (
	onlyJVM      = "has no effect here: it only concerns Java"
	unknown      = "is unknown and has no effect here"
	onlyClients  = "has no effect: it only concerns clients"
	protectsNone = "protects nothing: no ZooKeeper reads it. To close sessions without SASL, set sessionRequireClientSASLAuth=true and " +
		"authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
)

// fileWithoutEffect says why a key that QuorumPeerConfig knows has no effect here; it returns ""
// for an unknown key.
func fileWithoutEffect(key string) string {
	switch key {
	case "observerMasterPort":
		return "has no effect here: observers follow the leader itself"
	case "quorum.cnxn.threads.size", "multiAddress.reachabilityCheckTimeoutMs", "multiAddress.reachabilityCheckEnabled":
		return "has no effect here"
	case "oraclePath":
		return "has no effect here: an oracle in place of a quorum is not supported"
	}
	switch {
	case strings.HasPrefix(key, "jvm.pause."):
		return onlyJVM
	case key == "metricsProvider.httpsPort", strings.HasPrefix(key, "metricsProvider.ssl."):
		return "has no effect here: metrics are served without TLS"
	case strings.HasPrefix(key, "metricsProvider."):
		return onlyJVM
	}
	return ""
}

// readWithoutEffect says why a value that is read, to find mistakes in it, has no effect here.
var readWithoutEffect = map[string]string{
	"leaderServes":                    "has no effect here: the leader serves clients",
	"syncEnabled":                     "has no effect here: observers write logs",
	"observer.syncEnabled":            "has no effect here: observers write logs",
	"observer.reconnectDelayMs":       "has no effect here",
	"observer.election.DelayMs":       "has no effect here",
	"leaderConnectDelayDuringRetryMs": "has no effect here",
	"leader.maxTimeToWaitForEpoch":    "has no effect here: initLimit ends the wait",
	"electionPortBindRetry":           "has no effect here: the start fails at once if the port is taken",
	"quorumCnxnTimeoutMs":             "has no effect here",
	"tcpKeepAlive":                    "has no effect here: connections are kept alive",
	"clientTcpKeepAlive":              "has no effect here: connections are kept alive",
	"clientPortListenBacklog":         "has no effect here: the system chooses it",
	"request_throttle_max_requests":   "has no effect here: requests are limited by globalOutstandingLimit",
	"flushDelay":                      "has no effect here: writes that wait for the disk are always batched",
	"maxBatchSize":                    "has no effect here: writes that wait for the disk are always batched",
	"closeSessionTxn.enabled":         "has no effect here: closeSession always names the ephemeral znodes",
	"enableEagerACLCheck":             "has no effect here: the leader checks ACLs",
	"ensembleAuthName":                "has no effect here: the scheme ensemble is not supported",
}

// propertyWithoutEffect says why zookeeper.key has no effect here. For properties from -D that
// concern only clients it returns "", because JVMFLAGS is for both.
func propertyWithoutEffect(key string, fromFile bool) string {
	if strings.HasPrefix(key, "zookeeper.") {
		return "has no effect: omit the prefix zookeeper. in zoo.cfg"
	}
	if !fromFile {
		switch {
		case key == "clientCnxnSocket", strings.HasPrefix(key, "client."), strings.HasPrefix(key, "sasl.client"), key == "server.principal":
			return ""
		case key == "log.dir", key == "log.file": // zkServer.sh sets these itself
			return ""
		}
	}
	if _, known := fileSettings[key]; known || isEnsembleKey(key) {
		return "has no effect: it must be in zoo.cfg, as " + key
	}
	switch key {
	case "maxResponseCacheSize", "maxGetChildrenResponseCacheSize":
		return "has no effect here: there is no cache of responses"
	case "emulate353TTLNodes":
		return "has no effect here: ZooKeeper 3.5.3's TTL format is not supported"
	case "maxWriteQueuePollTime", "intBufferStartingSizeBytes", "maxInProcessingDeadWatchers", "bitHashCacheSize",
		"forward_learner_requests_to_commit_processor_disabled", "watchManagerName":
		return "has no effect here"
	case "serverCnxnFactory":
		return "has no effect here: every connection has Netty's features"
	case "ssl.context.supplier.class":
		return "has no effect here: clients connect without TLS"
	case "ssl.quorum.context.supplier.class":
		return "has no effect here: members do not use TLS between them"
	case "admin.needClientAuth", "admin.forceHttps", "admin.portUnification", "admin.httpVersion":
		return "has no effect here: the AdminServer speaks HTTP/1.1 without TLS"
	case "IPAuthenticationProvider.usexforwardedfor":
		return "has no effect here: X-Forwarded-For is not read"
	case "requireClientAuthScheme":
		return protectsNone
	case "ssl.sslProvider", "ssl.quorum.sslProvider", "fips-mode":
		return onlyJVM
	}
	for prefix, reason := range map[string]string{
		"sasl.":               onlyClients,
		"kerberos.":           onlyClients,
		"audit.":              "has no effect here: there is no audit log",
		"jmx.":                onlyJVM,
		"netty.":              onlyJVM,
		"nio.":                onlyJVM,
		"commitProcessor.":    "has no effect here: there are no worker threads to configure",
		"metricsProvider.":    "has no effect: it must be in zoo.cfg",
		"pathStats.":          "has no effect here: paths are not counted",
		"request_":            "has no effect here: requests are limited by globalOutstandingLimit",
		"throttled_op":        "has no effect here: requests are limited by globalOutstandingLimit",
		"watcherClean":        "has no effect here: watches of closed connections are removed at once",
		"messageTracker.":     "has no effect here: messages are not recorded",
		"leader.":             "has no effect here",
		"learner.":            "has no effect here",
		"follower.":           "has no effect here",
		"connection_throttle": "has no effect here: connections are limited by maxCnxns and maxClientCnxns",
	} {
		if strings.HasPrefix(key, prefix) {
			return reason
		}
	}
	return unknown
}
