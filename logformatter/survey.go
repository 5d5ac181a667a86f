package logformatter

import (
	"context"

	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/survey"
	"github.com/zkctl/zkctl/internal/ui"
)

// Survey counts transactions as stats does. What is wrong with files is in the result's Faults.
func Survey(ctx context.Context, streams *ui.Streams, o survey.WriteOptions) (*survey.Writes, error) {
	s, err := countAll(ctx, &statsOptions{Streams: streams, Args: o.Files, Depth: o.Depth, Top: o.Top,
		Filter: filterOptions{Since: o.Since, Until: o.Until}})
	if err != nil {
		return nil, err
	}
	return s.survey(o.Top), nil
}

// survey returns the statistics, with the top busiest paths and sessions.
func (s *stats) survey(top int) *survey.Writes {
	w := &survey.Writes{Files: s.files, FileBytes: s.size, Txns: s.all.txns, Bytes: s.all.bytes, CRCErrors: s.damaged, Zxid: s.lastZxid,
		Types: []survey.WriteCount{}, Paths: []survey.WriteCount{}, Sessions: []survey.WriteCount{}, Faults: s.faults}
	if s.all.txns > 0 {
		w.FirstZxid, w.LastZxid = proto.Hex(s.firstZxid), proto.Hex(s.lastZxid)
		w.FirstTime, w.LastTime = &s.firstTime, &s.lastTime
		w.Size = &survey.TxnSize{Min: s.least, Avg: s.average(), Max: s.most}
		w.Largest = &survey.LargestTxn{Zxid: proto.Hex(s.largest.zxid), Type: s.largest.op.String(), Path: s.largest.path}
	}
	for _, op := range s.sortedTypes() {
		c := s.types[op]
		w.Types = append(w.Types, survey.WriteCount{Type: op.String(), Txns: c.txns, Bytes: c.bytes, InMulti: &c.parts})
	}
	paths, rest, _ := s.topPaths(top)
	for _, c := range paths {
		w.Paths = append(w.Paths, survey.WriteCount{Path: c.key, Txns: c.txns, Bytes: c.bytes})
	}
	w.OtherPaths = survey.WriteCount{Txns: rest.txns, Bytes: rest.bytes}
	sessions, rest, _ := s.topSessions(top)
	for _, c := range sessions {
		w.Sessions = append(w.Sessions, survey.WriteCount{SessionID: proto.Hex(c.key), ClientID: proto.Hex(c.key), Txns: c.txns, Bytes: c.bytes})
	}
	w.OtherSessions = survey.WriteCount{Txns: rest.txns, Bytes: rest.bytes}
	w.Churn, w.ChurnSeconds = s.churn.Rows(survey.Rows)
	rows, seconds := s.rate.Rows(rateRows)
	w.Rate = survey.WriteRate{Seconds: seconds, Buckets: []survey.RateBucket{}}
	for _, r := range rows {
		w.Rate.Buckets = append(w.Rate.Buckets, survey.RateBucket{Time: r.Start * 1000, Txns: r.Value})
	}
	return w
}
