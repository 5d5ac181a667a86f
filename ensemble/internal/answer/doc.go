// Package answer parses what a member reports about itself: its answers to four-letter words, and the JSON
// of its AdminServer, as written by releases 3.4 to 3.10. Both yield the same types.
//
// Nothing is trusted. A line that is not understood is skipped, and its values stay unknown (Opt); it is an
// error only if nothing in an answer is understood. Callers limit the length of an answer.
//
//	opt.go       a value that may be unknown
//	lines.go     lines and numbers
//	srvr.go      srvr and stat; server_stats and stats
//	mntr.go      mntr; monitor
//	cons.go      cons; connections
//	settings.go  conf, envi; configuration, environment
//	dump.go      dump
//	watches.go   wchs, wchc, wchp; watch_summary, watches, watches_by_path
//	small.go     dirs, hash, isro, gtmk
//	admin.go     an AdminServer's JSON
//	word.go      the type of each word's answer
//	command.go   the commands of AdminServers
package answer
