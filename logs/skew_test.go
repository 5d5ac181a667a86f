package logs

import (
	"strings"
	"testing"
)

// clocks are logs of two servers that vote for each other; the second's clock is 5000 ms ahead, and a message takes 10 ms.
var clocks = []string{
	`2024-06-25 10:00:00,000 [myid:1] - INFO  [w:FastLeaderElection@1] - Notification: 1 (message format version), 1 (n.leader), 0x0 (n.zxid), 0x1 (n.round), LOOKING (n.state), 1 (n.sid), 0x0 (n.peerEpoch) LOOKING (my state)
2024-06-25 10:00:00,110 [myid:1] - INFO  [w:FastLeaderElection@1] - Notification: 1 (message format version), 2 (n.leader), 0x0 (n.zxid), 0x1 (n.round), LOOKING (n.state), 2 (n.sid), 0x0 (n.peerEpoch) LOOKING (my state)
2024-06-25 10:00:01,000 [myid:1] - INFO  [q:QuorumPeer@1] - FOLLOWING
`,
	`2024-06-25 10:00:05,010 [myid:2] - INFO  [w:FastLeaderElection@1] - Notification: 1 (message format version), 1 (n.leader), 0x0 (n.zxid), 0x1 (n.round), LOOKING (n.state), 1 (n.sid), 0x0 (n.peerEpoch) LOOKING (my state)
2024-06-25 10:00:05,100 [myid:2] - INFO  [w:FastLeaderElection@1] - Notification: 1 (message format version), 2 (n.leader), 0x0 (n.zxid), 0x1 (n.round), LOOKING (n.state), 2 (n.sid), 0x0 (n.peerEpoch) LOOKING (my state)
2024-06-25 10:00:05,900 [myid:2] - INFO  [q:QuorumPeer@1] - LEADING
`}

func TestSkew(t *testing.T) {
	dir := t.TempDir()
	first, second := writeFile(t, dir, "a.log", clocks[0]), writeFile(t, dir, "b.log", clocks[1])
	got := run(t, "", "timeline", first, second)
	if !strings.Contains(got.out, "clock of 1 a.log: the reference\nclock of 2 b.log: 5s ahead, within 10ms, from 2 pairs of events\n") {
		t.Error(got.out, got.err)
	}
	if leads, follows := strings.Index(got.out, "10:00:00.900Z  server 2   LEADING"), strings.Index(got.out, "10:00:01.000Z  server 1   FOLLOWING"); leads < 0 || follows < leads {
		t.Error("not in the order of corrected times:\n" + got.out)
	}
	got = run(t, "", "timeline", "--as-logged", first, second)
	if follows, leads := strings.Index(got.out, "10:00:01.000Z  server 1   FOLLOWING"), strings.Index(got.out, "10:00:05.900Z  server 2   LEADING"); follows < 0 || leads < follows {
		t.Error("not in the order of the times as logged:\n" + got.out)
	}
}

// A clock that is set back does not stop the merge, and its lines keep their order.
func TestClockRunsBackwards(t *testing.T) {
	dir := t.TempDir()
	first := writeFile(t, dir, "a.log", `2024-06-25 10:00:05,000 [myid:1] - INFO  [q:A@1] - one
2024-06-25 10:00:01,000 [myid:1] - INFO  [q:A@1] - two
2024-06-25 10:00:07,000 [myid:1] - INFO  [q:A@1] - four
`)
	second := writeFile(t, dir, "b.log", "2024-06-25 10:00:06,000 [myid:2] - INFO  [q:A@1] - three\n")
	got := run(t, "", "merge", "--no-name", first, second)
	var words []string
	for line := range strings.Lines(got.out) {
		words = append(words, strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]))
	}
	if strings.Join(words, " ") != "one two three four" {
		t.Error(got.out, got.err)
	}
}

func TestGrepFinds(t *testing.T) {
	if got := run(t, "", "grep", "no such thing", "c-client.log"); got.exit != 1 || got.out != "" || got.err != "" {
		t.Error(got)
	}
	if got := run(t, "", "grep", "(", "c-client.log"); got.exit != 1 || !strings.Contains(got.err, "regular expression") {
		t.Error(got)
	}
	if got := run(t, "", "grep", "", "--phrase", "nonsense", "c-client.log"); got.exit != 1 || !strings.Contains(got.err, "--list") {
		t.Error(got)
	}
}

// twoEnsembles are logs of members 1 and 2 of two ensembles, of which the second was new an hour and seven minutes later.
func twoEnsembles(t *testing.T, leader string) (dir string, files []string) {
	dir = t.TempDir()
	for i, hour := range []string{"10:00", "11:07"} {
		for _, text := range clocks {
			text = strings.ReplaceAll(strings.ReplaceAll(text, "10:00:05", "10:00:00"), "2024-06-25 10:00", "2024-06-25 "+hour)
			if strings.Contains(text, "LEADING") {
				text += "2024-06-25 " + hour + ":02,000 [myid:" + []string{"2", leader}[i] + "] - INFO  [q:Leader@1] - Have quorum of supporters, sids: [ 1,2 ]; starting up and setting last processed zxid: 0x100000000\n"
			}
			files = append(files, writeFile(t, dir, "abcd"[len(files):][:1]+".log", text))
		}
	}
	return dir, files
}

// TestUnrelatedEnsembles: members of other ensembles with the same ids are not compared, and that is said.
func TestUnrelatedEnsembles(t *testing.T) {
	_, files := twoEnsembles(t, "2")
	got := run(t, "", append([]string{"timeline"}, files...)...)
	if !strings.Contains(got.err, "b.log and 2 d.log are of different ensembles: server 2 started to lead epoch 0x1 at 2024-06-25T10:00:02.000Z in one and at 2024-06-25T11:07:02.000Z in the other") {
		t.Error(got.err)
	}
	for _, want := range []string{"clock of 1 a.log: ", "within 10ms, from 2 pairs", "clock of 1 c.log: could not be compared: ", "clock of 2 d.log: could not be compared: server 2 started to lead"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("no %q in\n%s", want, got.out)
		}
	}
	// Without the leaders' logs it is the times that do not fit.
	got = run(t, "", "timeline", files[0], files[3])
	if !strings.Contains(got.out, "could not be compared: it shares with others only what every new ensemble logs, 1h 7m apart") {
		t.Error(got.out, got.err)
	}
	// A time zone is no other ensemble.
	other := writeFile(t, t.TempDir(), "e.log", strings.ReplaceAll(clocks[1], "10:00:05", "18:00:00"))
	if got = run(t, "", "timeline", files[0], other); !strings.Contains(got.out, "8h 0m ahead") {
		t.Error(got.out, got.err)
	}
}
