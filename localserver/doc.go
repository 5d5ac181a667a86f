// Package localserver runs ZooKeeper on this machine, for development and tests.
package localserver
