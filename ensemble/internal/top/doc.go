// Package top implements the verb top, which shows an ensemble as it changes: what its members do, which clients keep them
// busy, and elections.
//
//	top.go      options; the loop that collects, draws and handles keys
//	clients.go  who is connected to which member, and how busy each connection is
//	paths.go    which znodes are written, from a transaction log
//	events.go   what changed between two surveys: elections, members that stop or come back
//	model.go    everything known at one moment, and histories
//	table.go    rows in columns that fit a width; sorting, filtering, selecting
//	panes.go    the tables of members, clients and paths
//	details.go  everything about one row; help
//	view.go     a frame: the model as lines
//	keys.go     what keys do
//	lines.go    one line per sample, as text or JSON
package top
