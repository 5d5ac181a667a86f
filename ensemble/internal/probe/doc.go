// Package probe asks the members of an ensemble for their state: all at once, with one deadline, through whichever
// door is open.
//
// Doors, in this order: four-letter words at the client port, of which only srvr is open by default since 3.5.3;
// the AdminServer, which may be off or belong to another member on the same machine; a session. If a door is slow
// to answer, the next one is tried beside it, so a silent member costs no more than the deadline. A Reading says
// which doors answered; what could not be learned is unknown in it.
//
//	member.go    a member and its addresses; the answer of one door
//	door.go      four-letter words and sessions
//	dial.go      connections to names that resolve to several addresses
//	admin.go     the AdminServer
//	reading.go   what is known about a member
//	question.go  what a member is asked, at first and again
//	take.go      one member is asked
//	survey.go    all members are asked; the members of the ensemble's configuration are found
//	watch.go     all members are asked again and again; rates
//	proof.go     whether there is a leader, if none answers
//	clocks.go    members whose clocks differ
//	verdict.go   the conclusion from all readings
package probe
