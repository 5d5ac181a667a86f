// Package probe asks the members of an ensemble how they are: all at once, with one deadline, through whichever
// door is open.
//
// Doors, in this order: four-letter words at the client port, of which only srvr is open by default since 3.5.3;
// the AdminServer, which may be off or answer for another member of the same machine; a session. A door whose
// answer is late is not waited for before the next one is tried, so a member that is silent costs no more than
// the deadline. A Reading says which doors answered, and what could not be learnt is unknown in it.
//
//	member.go    a member and its addresses; the answer of one door
//	door.go      four-letter words and sessions
//	dial.go      connections to names that stand for several addresses
//	admin.go     the AdminServer
//	reading.go   what is known of a member
//	question.go  what a member is asked, at first and again
//	take.go      one member is asked
//	survey.go    all members are asked; the members of the ensemble's configuration are found
//	watch.go     all members are asked again and again; rates
//	proof.go     whether there is a leader, if none answers
//	clocks.go    members whose clocks differ
//	verdict.go   what the readings come to
package probe
