// Package commands holds the znode commands: one file each, with everything about it (usage,
// options, help, run, text and JSON output). The shell and the command line run the same
// commands; completion asks them what they accept. internal/command defines what a command is.
package commands

import "github.com/zkctl/zkctl/internal/command"

// All holds every command, in the order of the list that help prints.
var All = command.Set{
	// Reading znodes
	lsCommand,
	getCommand,
	statCommand,
	getAllChildrenNumberCommand,
	getEphemeralsCommand,
	existsCommand,
	findCommand,
	grepCommand,
	duCommand,
	treeCommand,
	summaryCommand,
	// Writing znodes
	createCommand,
	setCommand,
	editCommand,
	applyCommand,
	touchCommand,
	deleteCommand,
	deleteAllCommand,
	multiCommand,
	// Access control and identity
	getACLCommand,
	setACLCommand,
	addAuthCommand,
	whoamiCommand,
	// Quotas
	setQuotaCommand,
	listQuotaCommand,
	delQuotaCommand,
	// Watches
	addWatchCommand,
	removeWatchesCommand,
	printWatchesCommand,
	// Waiting and locks
	watchCommand,
	waitCommand,
	lockCommand,
	electCommand,
	locksCommand,
	servicesCommand,
	// Ensemble and session
	connectCommand,
	closeCommand,
	syncCommand,
	configCommand,
	reconfigCommand,
	// Shell
	cdCommand,
	pwdCommand,
	historyCommand,
	redoCommand,
	aliasCommand,
	sourceCommand,
	repeatCommand,
	timeCommand,
	clearCommand,
	helpCommand,
	versionCommand,
	quitCommand,
}
