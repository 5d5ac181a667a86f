package member

import (
	"fmt"
	"slices"
)

// fourLetterWords are all that there are.
var fourLetterWords = []string{"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr",
	"ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs"}

func isWord(head string) bool { return slices.Contains(fourLetterWords, head) }

// answerWord answers a four-letter word and leaves the connection to be closed.
func (s *Server) answerWord(c *conn, word string) {
	s.log.Infof("Processing %s command from %s", word, c.remote)
	if !slices.Contains(s.opt.Words, "*") && !slices.Contains(s.opt.Words, word) {
		fmt.Fprintf(c.nc, "%s is not executed because it is not in the whitelist.\n", word)
		return
	}
	if word == "ruok" {
		fmt.Fprint(c.nc, "imok")
	}
}
