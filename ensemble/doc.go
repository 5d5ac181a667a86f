// Package ensemble looks at an ensemble that runs somewhere, and at its members one by one: the verbs ensemble, top,
// 4lw, admin and session.
//
//	command.go   the verbs, and the options that say which members are asked
//	status.go    ensemble status
//	top.go       top
//	health.go    ensemble health, for monitors; healthprint.go its formats; canary.go proves that an ensemble works
//	verify.go    ensemble verify: digests; deep.go compares znodes
//	doctor.go    ensemble doctor: rules, each with a code, and what they look at
//	doctor*.go   tables of rules: doctormembers.go, doctorclients.go, doctorconfig.go, doctorfiles.go; doctorask.go and
//	             doctorscan.go collect what they look at, from members and from files; doctorprint.go prints findings
//	restart.go   ensemble restart --rolling
//	exporter.go  ensemble exporter, for Prometheus; samples.go what it has, metricnames.go ZooKeeper's names for it
//	bundle.go    ensemble bundle; bundlecollect.go asks, bundlewrite.go writes without secrets
//	session.go   session: ls, show, owner; sessions.go asks the members; sessiontimes.go their times;
//	             sessionid.go decodes ids, sessionids.go completes them; sessionlive.go and
//	             sessionclients.go ask for other rooms, as does tree.go
//	limits.go    tickTime and syncLimit, for another room
//	members.go   the options that choose members; roles.go tells leader and followers apart for other rooms
//	words.go     4lw: four-letter words; matrix.go puts members side by side
//	admin.go     admin: commands of the AdminServer
//
// internal/probe asks the members, and internal/answer reads what they say; internal/redact
// takes out of it what must not leave the house. Every verb prints the same readings.
package ensemble
