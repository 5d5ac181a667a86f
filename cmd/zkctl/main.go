// Command zkctl is a command line for Apache ZooKeeper.
package main

import (
	"os"
	_ "time/tzdata" // TZ works where the system has no time zone database

	"github.com/zkctl/zkctl/cmd"
)

func main() { os.Exit(cmd.Main(os.Args[1:])) }
