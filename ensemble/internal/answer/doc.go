// Package answer reads what a member says of itself: its answers to four-letter words, and the JSON of its
// AdminServer, as the releases 3.4 to 3.10 write them. Both yield the same types.
//
// Nothing is trusted. A line that is not understood is passed over, and what it would have said stays unknown
// (Opt); only an answer of which nothing is understood is an error. The callers bound the length of an answer.
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
package answer
