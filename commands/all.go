package commands

// all is filled by init because help, which is in it, reads it.
var all []*Command

func init() {
	all = []*Command{
		// Reading znodes
		lsCommand,
		getCommand,
		statCommand,
		getAllChildrenNumberCommand,
		getEphemeralsCommand,
		// Writing znodes
		createCommand,
		setCommand,
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
		helpCommand,
		versionCommand,
		quitCommand,
	}
}
